"""moto as a server on a free port of this machine, which it prints. It ends when its standard input does."""

import json
import os
import sys
import threading

os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"

import moto.iam.models
import moto.ssoadmin.models
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

# AWS lists the policies that are attached, moto all there are. A few will do.
KEPT = ["AdministratorAccess", "IAMFullAccess", "ReadOnlyAccess"]
policies = json.loads(moto.iam.models.aws_managed_policies_data)
policies = json.dumps({name: policies[name] for name in KEPT})
moto.iam.models.aws_managed_policies_data = policies
moto.ssoadmin.models.aws_managed_policies_data = policies

application = DomainDispatcherApplication(create_backend_app)


def served(environ, start):
    """AWS says of its JSON what it is; moto calls some of it a web page."""

    def started(status, headers, *more):
        if "HTTP_X_AMZ_TARGET" in environ:
            headers = [pair for pair in headers if pair[0].lower() != "content-type"]
            headers.append(("content-type", "application/x-amz-json-1.1"))
        return start(status, headers, *more)

    return application(environ, started)


def until_the_end():
    sys.stdin.read()
    os._exit(0)


server = make_server("127.0.0.1", 0, served, threaded=True, request_handler=MotoRequestHandler)
print(server.port, flush=True)
threading.Thread(target=until_the_end, daemon=True).start()
server.serve_forever()
