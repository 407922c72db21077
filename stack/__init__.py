"""The operator's tool: creates, reviews, changes, watches, tests and deletes environments.

It talks to CloudFormation and its neighbours, or to an endpoint that behaves like them, through boto3 and
knows nothing about the service's code or about the local cloud beyond what an environment file says.
"""
