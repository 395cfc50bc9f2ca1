"""The real line in a world that is made up, from a seed: see `world`.

    python -m tests.simulation --seed 7        # this one, again and again the same
    python -m tests.simulation --count 1000    # the seeds 0 to 999
    make soak SECONDS=600                      # new ones, as long as one likes

`org` is what there is to export, `wire` what lies in between, `disk` what it is written to, `repairing` what becomes of
it afterwards, `oracle` the judge; `bugs` are those that it has to find.
"""
