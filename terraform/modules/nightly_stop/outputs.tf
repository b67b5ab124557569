output "schedule_names" {
  description = "Name of each schedule, by the service that it stops."
  value       = { for service, schedule in aws_scheduler_schedule.this : service => schedule.name }
}
