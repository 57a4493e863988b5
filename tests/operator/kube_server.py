"""The program that runs in pods of the pod runner's tests: a tiny HTTP server that answers for its surroundings.

GET /env           its environment, as JSON
GET /argv          its arguments, as JSON
GET /file?PATH     the content of a file
GET /append?FILE   appends its process id to FILE and answers the file: work that can be seen to have been done
GET /health        200, or 503 while the file `sick` exists in its first argument's folder
"""

import json
import os
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote


class Handler(BaseHTTPRequestHandler):
    """Answers one request a connection."""

    def do_GET(self) -> None:
        path, _, argument = self.path.partition("?")
        status, text = 200, "ok"
        match path:
            case "/env":
                text = json.dumps(dict(os.environ))
            case "/argv":
                text = json.dumps(sys.argv)
            case "/file":
                text = Path(unquote(argument)).read_text()
            case "/append":
                with Path(unquote(argument)).open("a") as file:
                    file.write(f"{os.getpid()}\n")
                text = Path(unquote(argument)).read_text()
            case "/health" if (Path(sys.argv[1]) / "sick").exists():
                status, text = 503, "sick"
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())


def main() -> None:
    """`kube_server.py FOLDER ADDRESS PORT [--stubborn]`; stubborn means that it ignores SIGTERM."""
    address, port = sys.argv[2], int(sys.argv[3])
    if "--stubborn" in sys.argv:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, lambda *_: (print("told to end", flush=True), sys.exit(0)))
    print(f"listening at {address} {port}, {time.time():.3f}", flush=True)
    ThreadingHTTPServer((address, port), Handler).serve_forever()


if __name__ == "__main__":
    main()
