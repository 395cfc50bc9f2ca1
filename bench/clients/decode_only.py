"""`json.loads` of every page that `raw_download.py` kept. Unzipping the file is a twentieth of the time.

python bench/clients/decode_only.py FILE
"""

import json
import sys

from isal import igzip


def main() -> None:
    with igzip.IGzipFile(sys.argv[1]) as pages:  # type: ignore[no-untyped-call]
        count = sum(len(json.loads(page)["conversations"]) for page in pages)
    print(f"{count} conversations")


if __name__ == "__main__":
    main()
