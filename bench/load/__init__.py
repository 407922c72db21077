"""`make load`: a load profile against a deployed environment, judged by the objectives.

Two processes: `bench.load` is the operator's side (environment, token, live view), `bench.load.driver` the
load itself, in an environment of its own with Locust, which patches the standard library.
"""
