variable "name" {
  description = "Prefix of the bucket's name."
  type        = string
}

variable "intermediate_retention_days" {
  description = "Days after which chunks/ and maps/ are deleted."
  type        = number
}
