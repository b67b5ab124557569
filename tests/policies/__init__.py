"""The policies of the task roles, as Terraform plans them, and the requests that tasks make.

`policy` evaluates a policy, `s3_actions` names the actions that a request to S3 needs, `forbidden`
makes the requests that a role may not make, and `gate` answers requests as S3 does under a policy.
"""
