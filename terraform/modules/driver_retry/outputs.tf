output "rule_arn" {
  description = "ARN of the rule that hears of killed drivers."
  value       = aws_cloudwatch_event_rule.this.arn
}
