output "alarm_names" {
  description = "Names of the alarms."
  value = concat(
    aws_cloudwatch_metric_alarm.errors[*].alarm_name,
    values(aws_cloudwatch_metric_alarm.memory)[*].alarm_name,
    aws_cloudwatch_metric_alarm.running[*].alarm_name,
  )
}

output "dashboard_name" {
  description = "Name of the dashboard, or null."
  value       = one(aws_cloudwatch_dashboard.this[*].dashboard_name)
}
