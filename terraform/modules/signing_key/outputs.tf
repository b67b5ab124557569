output "secret_arn" {
  description = "ARN of the secret, once it has a value: a task that starts before that fails."
  value       = aws_secretsmanager_secret.this.arn

  depends_on = [aws_secretsmanager_secret_version.this]
}
