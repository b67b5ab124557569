# EventBridge hears of every task of the account that stops: no code, and nothing that polls.

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  is_topic  = startswith(var.recipient, "arn:")
  topic_arn = local.is_topic ? var.recipient : aws_sns_topic.this[0].arn
  rule_name = "${var.name}-driver-ended"
  rule_arn  = "arn:${data.aws_partition.current.partition}:events:${data.aws_region.current.id}:${data.aws_caller_identity.current.account_id}:rule/${local.rule_name}"
}

resource "aws_cloudwatch_event_rule" "this" {
  name        = local.rule_name
  description = "A driver of the MapReduce stack ${var.name} has stopped."

  # By the revisions of the family, and not by the task's group: who starts a task names the group.
  event_pattern = jsonencode({
    source      = ["aws.ecs"]
    detail-type = ["ECS Task State Change"]
    detail = {
      clusterArn        = [var.cluster_arn]
      lastStatus        = ["STOPPED"]
      taskDefinitionArn = [{ prefix = "${var.family_arn}:" }]
    }
  })
}

resource "aws_cloudwatch_event_target" "topic" {
  rule      = aws_cloudwatch_event_rule.this.name
  target_id = "topic"
  arn       = local.topic_arn

  input_transformer {
    input_paths = {
      code    = "$.detail.containers[0].exitCode"
      reason  = "$.detail.stoppedReason"
      task    = "$.detail.taskArn"
      started = "$.detail.startedBy"
      stopped = "$.detail.stoppedAt"
    }
    # Each line is a string of JSON; a value that is missing is left empty.
    input_template = <<-TEXT
      "A driver of the MapReduce stack ${var.name} ended at <stopped>."
      "Exit code: <code>. Run: <started>. Reason: <reason>"
      "Task: <task>"
    TEXT
  }

  depends_on = [aws_sns_topic_policy.this]
}

resource "aws_sns_topic" "this" {
  count = local.is_topic ? 0 : 1

  name         = local.rule_name
  display_name = "MapReduce ${var.name}"
}

# AWS writes to the address first: nothing is sent before its link is followed.
resource "aws_sns_topic_subscription" "email" {
  count = local.is_topic ? 0 : 1

  topic_arn = aws_sns_topic.this[0].arn
  protocol  = "email"
  endpoint  = var.recipient
}

resource "aws_sns_topic_policy" "this" {
  count = local.is_topic ? 0 : 1

  arn = aws_sns_topic.this[0].arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "PublishTheEnd"
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = "sns:Publish"
      Resource  = aws_sns_topic.this[0].arn
      Condition = { ArnEquals = { "aws:SourceArn" = local.rule_arn } }
    }]
  })
}
