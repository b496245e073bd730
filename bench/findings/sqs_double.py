"""A stand-in for SQS that costs little, so that what is measured is ours: JSON protocol, long polls, batches. It knows when it handed a message out. It checks no signature: the live
tier does that with a double that can."""
import itertools
import json
import socket
import threading
import time


class Queue:
    def __init__(self):
        self.cond = threading.Condition()
        self.waiting, self.out = [], {}
        self.handed = {}  # body -> time.perf_counter() when it was last handed out
        self.deleted = 0
        self.ids = itertools.count(1)
        self.s = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.s.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/000000000000/findings"

    def send(self, bodies):
        with self.cond:
            self.waiting += [(next(self.ids), b) for b in bodies]
            self.cond.notify_all()

    def close(self):
        self.s.close()

    def _accept(self):
        while True:
            try:
                c, _ = self.s.accept()
            except OSError:
                return
            c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(c,), daemon=True).start()

    def _serve(self, c):
        f = c.makefile("rb")
        try:
            while f.readline():
                head = {}
                for line in iter(f.readline, b"\r\n"):
                    if not line:
                        return
                    k, _, v = line.decode("latin-1").partition(":")
                    head[k.strip().lower()] = v.strip()
                if head.get("expect"):
                    c.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
                body = json.loads(f.read(int(head.get("content-length", 0))) or b"{}")
                action = head.get("x-amz-target", "").rpartition(".")[2]
                data, mark = getattr(self, "_" + action, self._other)(body)
                text = json.dumps(data).encode()
                if mark:
                    now = time.perf_counter()
                    for b in mark:
                        self.handed[b] = now
                c.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\n\r\n" % len(text) + text)
        except (OSError, ValueError):
            pass
        finally:
            c.close()

    def _ReceiveMessage(self, q):
        end = time.monotonic() + q.get("WaitTimeSeconds", 0)
        with self.cond:
            while not self.waiting and time.monotonic() < end:
                self.cond.wait(max(0, end - time.monotonic()))
            n = min(q.get("MaxNumberOfMessages", 1), len(self.waiting))
            taken, self.waiting = self.waiting[:n], self.waiting[n:]
            for i, b in taken:
                self.out[i] = b
        now = str(int(time.time() * 1000))
        attributes = {"ApproximateReceiveCount": "1", "SentTimestamp": now, "ApproximateFirstReceiveTimestamp": now}
        return {"Messages": [{"MessageId": str(i), "ReceiptHandle": f"r{i}", "MD5OfBody": "", "Body": b, "Attributes": attributes} for i, b in taken]}, [b for _, b in taken]

    def _DeleteMessageBatch(self, q):
        done = []
        with self.cond:
            for e in q["Entries"]:
                self.deleted += self.out.pop(int(e["ReceiptHandle"][1:]), None) is not None
                done.append({"Id": e["Id"]})
        return {"Successful": done, "Failed": []}, None

    def _ChangeMessageVisibilityBatch(self, q):
        return {"Successful": [{"Id": e["Id"]} for e in q["Entries"]], "Failed": []}, None

    def _other(self, q):
        return {}, None
