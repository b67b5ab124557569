variable "name" {
  description = "Prefix of the bucket's name."
  type        = string
}

variable "intermediate_retention_days" {
  description = "Days after which chunks/, maps/ and pairs/ are deleted."
  type        = number
}
