variable "name" {
  description = "Name of the cluster, and prefix of the other names."
  type        = string
}

variable "vpc_id" {
  description = "VPC in which the namespace's names resolve."
  type        = string
}

variable "repository_arns" {
  description = "Repositories that tasks may pull from."
  type        = list(string)
}

variable "secret_arn" {
  description = "Secret that ECS may put into a container's environment."
  type        = string
}

variable "existing_role_name" {
  description = "Role to use instead of creating any. Null creates them."
  type        = string
  default     = null
}
