variable "name" {
  description = "Prefix of the names."
  type        = string
}

variable "system" {
  description = "Name of the system that the stack carries, for descriptions that people read."
  type        = string
}

variable "vpc_id" {
  description = "VPC of the tasks."
  type        = string
}

variable "vpc_cidrs" {
  description = "Address ranges of the VPC, in which the tasks are."
  type        = list(string)
}

variable "subnet_ids" {
  description = "Public subnets, in two zones at least."
  type        = list(string)
}

variable "allowed_cidrs" {
  description = "IPv4 ranges that may call the load balancer."
  type        = list(string)
}

variable "target_port" {
  description = "Port on which the tasks answer."
  type        = number
}

variable "health_path" {
  description = "Path that a working task answers with status 200."
  type        = string
}

variable "drain_s" {
  description = "Seconds that a stopping task has for its requests, after the last new one."
  type        = number
  default     = 15

  validation {
    condition     = var.drain_s >= 0 && var.drain_s <= 3600
    error_message = "drain_s must be 0 to 3600."
  }
}
