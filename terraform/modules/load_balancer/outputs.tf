output "url" {
  description = "Address of the load balancer."
  value       = "http://${aws_lb.this.dns_name}"
}

output "target_group_arn" {
  description = "ARN of the group of tasks, once the load balancer uses it: ECS refuses an unused one."
  value       = aws_lb_target_group.this.arn

  depends_on = [aws_lb_listener.this]
}
