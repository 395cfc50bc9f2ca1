"""The least that anybody pays: download every page and unzip it, in one thread; keep the bodies as they came.

python bench/clients/raw_download.py INTERVAL OUTPUT
"""

import json
import os
import sys
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from isal import igzip, isal_zlib

LINE_END = igzip.compress(b"\n")


def main() -> None:
    interval, output = sys.argv[1:]
    connection = HTTPConnection(urlsplit(os.environ["GENESYS_ENV"]).netloc, timeout=60)
    headers = {"accept-encoding": "gzip", "content-type": "application/json"}
    size, number = 0, 1
    with Path(output).open("wb") as file:
        while True:
            body = {"interval": interval, "paging": {"pageSize": 100, "pageNumber": number}}
            connection.request("POST", "/api/v2/analytics/conversations/details/query", json.dumps(body), headers)
            answer = connection.getresponse().read()
            if answer == b"{}":
                break
            size += len(isal_zlib.decompress(answer, 31))
            file.write(answer + LINE_END)
            number += 1
    print(f"{number - 1} pages, {size:,} bytes unzipped")


if __name__ == "__main__":
    main()
