"""The network that the checks run against, and how they are run."""

import os
import sys
import traceback


def need(name):
    """The value of an environment variable."""
    value = os.environ.get(name)
    if not value:
        sys.exit(f"the environment variable {name} is missing, see testnet/clients/README.md")
    return value


CHAIN_ID = need("CHAIN_ID")
PREFIX = need("PREFIX")
DENOM = need("DENOM")
OTHER_DENOM = need("OTHER_DENOM")
GRPC = need("GRPC")


def refused(kind, text, call):
    """The error of a call, which must be of a kind and have a text."""
    try:
        call()
    except kind as error:
        shown = f"{error!r} {error}"
        assert text in shown, f"{text!r} is not in {shown}"
        return error
    raise AssertionError(f"no {kind.__name__} with {text!r}")


def run(checks):
    """Runs all checks in order, and ends the program with how many failed."""
    failed = 0
    for check in checks:
        try:
            check()
            print(f"ok: {check.__doc__}", flush=True)
        except Exception:
            failed += 1
            print(f"FAILED: {check.__doc__}\n{traceback.format_exc()}", flush=True)
    sys.exit(f"{failed} of {len(checks)} failed" if failed else 0)
