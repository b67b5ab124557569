# Every option together.
image_tag           = "0123abcd"
allowed_cidrs       = ["203.0.113.7/32"]
extra_input_buckets = ["other"]
extra_kms_key_arns  = ["arn:aws:kms:us-east-1:123456789012:key/1"]
monthly_budget_usd  = 20
budget_email        = "you@example.com"
nightly_stop        = "cron(0 22 * * ? *)"
alarms              = true
alarm_topic_arn     = "arn:aws:sns:us-east-1:123456789012:alarms"
dashboard           = true
end_notice          = "you@example.com"
schedules           = { daily = { expression = "rate(1 day)", command = ["run", "--input", "s3://other/new/"] } }
