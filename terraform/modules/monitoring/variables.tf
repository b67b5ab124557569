variable "name" {
  description = "Prefix of the names."
  type        = string
}

variable "system" {
  description = "Name of the system that the stack carries, for descriptions that people read."
  type        = string
}

variable "where_to_look" {
  description = "What the alarm of errors tells to do. Null: nothing."
  type        = string
  default     = null
}

variable "cluster_name" {
  description = "Name of the cluster."
  type        = string
}

variable "services" {
  description = "Each service by role: its name in ECS, and its log group."
  type        = map(object({ service_name = string, log_group = string }))
}

variable "alarms" {
  description = "Whether to make the alarms."
  type        = bool
}

variable "topic_arn" {
  description = "SNS topic that the alarms notify. Null: they only show their state."
  type        = string
  default     = null
}

variable "dashboard" {
  description = "Whether to make the dashboard."
  type        = bool
}

variable "graphs" {
  description = "Further graphs of the dashboard: title to metrics that the system publishes, their dimensions, and how CloudWatch sums up a minute of them."
  type        = map(object({ namespace = string, metrics = list(string), dimensions = optional(map(string), {}), stat = optional(string, "Average") }))
  default     = {}
}
