variable "name" {
  description = "Prefix of the names."
  type        = string
}

variable "system" {
  description = "Name of the system that the stack carries, for descriptions that people read."
  type        = string
}

variable "cluster_name" {
  description = "Name of the cluster."
  type        = string
}

variable "service_arns" {
  description = "ARN of each service, by its name."
  type        = map(string)
}

variable "schedule" {
  description = "When to stop, as cron(...) of EventBridge Scheduler."
  type        = string
}

variable "timezone" {
  description = "IANA time zone of the schedule."
  type        = string
}

variable "role_path" {
  description = "Path of the role."
  type        = string
  default     = "/"
}

variable "permissions_boundary_arn" {
  description = "Policy that limits the role. Null: none."
  type        = string
  default     = null
}
