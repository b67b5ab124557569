"""Tests of the evaluator of policies, against the published rules of IAM and S3."""
