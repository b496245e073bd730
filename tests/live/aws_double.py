"""Stand-ins for AWS: moto's server with its signature checks on, for SQS and IAM; and a server of our own for what moto has not: GuardDuty's findings, credentials that end, a machine's metadata
service. It checks each signature with botocore's signer, which shares nothing with ours."""
import datetime
import http.client
import http.server
import json
import os
import sys
import threading
import time

from servers import Proc, Skip, free_port, wait_until

REGION = "eu-west-1"


def client(service, endpoint, key="test", secret="test"):
    import boto3
    from botocore.config import Config
    return boto3.client(service, endpoint_url=endpoint, region_name=REGION, aws_access_key_id=key, aws_secret_access_key=secret,
                        config=Config(retries={"max_attempts": 8}, max_pool_connections=32))


def serve(port, record):
    """moto's server, in this process. Its queue forgets a message that is sent while another is deleted (the list is made anew without a lock): here deletions have the lock that sending has.
    What is deleted is recorded, a MessageId a line."""
    from moto import server
    from moto.sqs.models import Queue
    bare = Queue.delete_message
    out = open(record, "a", buffering=1)

    def delete_message(self, receipt):
        with self._messages_lock:
            gone = [m.id for m in self._messages if m.had_receipt_handle(receipt)]
            bare(self, receipt)
            out.writelines(i + "\n" for i in gone)

    Queue.delete_message = delete_message
    server.main(["-H", "127.0.0.1", "-p", str(port)])


class Moto:
    """moto's server, a process. After lock() each call has to be signed by a key that IAM knows, and permitted by a policy."""

    def __init__(self, folder):
        try:
            import moto.server  # noqa: F401
        except ImportError:
            raise Skip("moto is absent") from None
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.record = os.path.join(folder, "deleted")
        env = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
        self.proc = Proc([sys.executable, "-B", os.path.abspath(__file__), str(self.port), self.record], os.path.join(folder, "moto.log"), env=env)
        wait_until(lambda: self._post("/moto-api/reset", b""), 60, "moto answers")

    def _post(self, path, body):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            c.request("POST", path, body)
            return c.getresponse().status == 200
        finally:
            c.close()

    def user(self, name, *actions):
        """(key, secret) of a new user that may do these."""
        iam = client("iam", self.url)
        iam.create_user(UserName=name)
        if actions:
            iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(
                {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}]}))
        k = iam.create_access_key(UserName=name)["AccessKey"]
        return k["AccessKeyId"], k["SecretAccessKey"]

    def queue(self, name, **attributes):
        return client("sqs", self.url).create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]

    def deleted(self):
        with open(self.record) as f:
            return set(f.read().split())

    def lock(self):
        assert self._post("/moto-api/reset-auth", b"0")

    def stop(self):
        if self.proc.alive():
            self.proc.kill()


class Double:
    """GuardDuty's ListFindings and GetFindings, and a machine's metadata service that hands out numbered keys. A call signed by a number below `valid_from` has expired."""

    def __init__(self):
        self.findings = {}  # id -> finding, in the API's form
        self.handed, self.valid_from, self.asked, self.refused = 0, 1, 0, 0
        self.signed, self.life = 0, 3600
        self.lock = threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *a):
                pass

            def answer(self, status, body, kind="application/json"):
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def do_PUT(self):
                self.answer(200, b"TOKEN==", "text/plain") if self.path == "/latest/api/token" and self.headers["X-aws-ec2-metadata-token-ttl-seconds"] else self.answer(404, b"")

            def do_GET(self):
                outer.metadata(self)

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                outer.call(self, body)

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, address):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def keys(self, n):
        return f"ASIADOUBLE{n:06d}", f"secret/{n}+", f"token/{n}=="

    def metadata(self, h):
        base = "/latest/meta-data/iam/security-credentials/"
        if h.headers.get("X-aws-ec2-metadata-token") != "TOKEN==":
            h.answer(401, b"")
        elif h.path == base:
            h.answer(200, b"fireline-ingest", "text/plain")
        elif h.path == base + "fireline-ingest":
            with self.lock:
                self.handed += 1
                key, secret, token = self.keys(self.handed)
            end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=self.life)
            h.answer(200, {"Code": "Success", "AccessKeyId": key, "SecretAccessKey": secret, "Token": token, "Expiration": end.strftime("%Y-%m-%dT%H:%M:%SZ")})
        else:
            h.answer(404, b"")

    def fault_of(self, h, body):
        """None, or the error that AWS would give."""
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials
        words = dict(w.strip().split("=", 1) for w in h.headers["Authorization"].partition(" ")[2].split(","))
        key, day, region, service, _ = words["Credential"].split("/")
        n = int(key[-6:])
        _, secret, token = self.keys(n)
        if h.headers.get("X-Amz-Security-Token") != token:
            return "UnrecognizedClientException"
        stamps = h.headers.get_all("X-Amz-Date")
        if len(stamps) != 1 or not stamps[0].startswith(day) or abs(time.time() - datetime.datetime.strptime(stamps[0] + "+0000", "%Y%m%dT%H%M%SZ%z").timestamp()) > 300:
            return "RequestTimeTooSkewed"
        names = words["SignedHeaders"].split(";")
        assert {"host", "x-amz-date", "x-amz-security-token", "content-type"} <= set(names), names
        req = AWSRequest(method="POST", url=f"http://{h.headers['Host']}{h.path}", data=body, headers={k: h.headers[k] for k in names})
        req.context["timestamp"] = stamps[0]
        signer = SigV4Auth(Credentials(key, secret, token), service, region)
        if signer.signature(signer.string_to_sign(req, signer.canonical_request(req)), req) != words["Signature"]:
            return "SignatureDoesNotMatch"
        return "ExpiredTokenException" if n < self.valid_from else None

    def call(self, h, body):
        with self.lock:
            self.asked += 1
        fault = self.fault_of(h, body)
        if fault:
            self.refused += 1
            data = json.dumps({"message": "no"}).encode()
            h.send_response(403)
            h.send_header("x-amzn-ErrorType", fault + ":http://internal.amazon.example/")
            h.send_header("Content-Length", str(len(data)))
            h.end_headers()
            h.wfile.write(data)
            return
        self.signed += 1
        q = json.loads(body)
        with self.lock:
            every = sorted(self.findings.values(), key=lambda f: f["UpdatedAt"])
        if h.path == "/detector/aa11/findings":
            start = q["findingCriteria"]["criterion"]["updatedAt"]["greaterThanOrEqual"]
            ids = [f["Id"] for f in every if millis(f["UpdatedAt"]) >= start]
            at = int(q.get("nextToken", "0"))
            n = q["maxResults"]
            h.answer(200, {"findingIds": ids[at:at + n], "nextToken": str(at + n) if at + n < len(ids) else ""})
        elif h.path == "/detector/aa11/findings/get":
            h.answer(200, {"findings": [camel(self.findings[i]) for i in q["findingIds"] if i in self.findings]})
        else:
            h.answer(400, {"message": "no such detector", "__type": "BadRequestException"})

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def millis(text):
    return int(datetime.datetime.strptime(text.replace("Z", "+0000"), "%Y-%m-%dT%H:%M:%S.%f%z").timestamp() * 1000)


def camel(v):
    """The wire's spelling: members begin with a small letter."""
    if isinstance(v, dict):
        return {k[:1].lower() + k[1:]: camel(x) for k, x in v.items()}
    return [camel(x) for x in v] if isinstance(v, list) else v


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2])
