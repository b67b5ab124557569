variable "name" {
  description = "Prefix of the bucket's name."
  type        = string
}

variable "retention_days" {
  description = "Folder of the bucket to the days after which its objects are deleted. 0, or a folder that is not named: never."
  type        = map(number)
  default     = {}
}
