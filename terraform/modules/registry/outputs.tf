output "repository_urls" {
  description = "URL of each repository, by role."
  value       = { for role, repository in aws_ecr_repository.this : role => repository.repository_url }
}

output "repository_arns" {
  description = "ARN of each repository, by role."
  value       = { for role, repository in aws_ecr_repository.this : role => repository.arn }
}
