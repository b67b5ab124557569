variable "name" {
  description = "Prefix of the bucket's name."
  type        = string
}

variable "intermediate_retention_days" {
  description = "Days after which chunks/, maps/ and pairs/ are deleted."
  type        = number
}

variable "input_retention_days" {
  description = "Days after which input/ is deleted. 0: never."
  type        = number
  default     = 0
}

variable "code_retention_days" {
  description = "Days after which jobs/ and packages/ are deleted. 0: never."
  type        = number
  default     = 0
}

variable "run_retention_days" {
  description = "Days after which runs/ is deleted. 0: never."
  type        = number
  default     = 0
}

variable "task_retention_days" {
  description = "Days after which tasks/ is deleted. 0: never."
  type        = number
  default     = 0
}
