"""What everycall is measured against: scripts that run by hand against any base URL; CONTRIBUTING.md says how."""
