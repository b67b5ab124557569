output "topic_arn" {
  description = "ARN of the topic that gets the notices."
  value       = local.topic_arn
}

output "rule_name" {
  description = "Name of the rule."
  value       = aws_cloudwatch_event_rule.this.name
}
