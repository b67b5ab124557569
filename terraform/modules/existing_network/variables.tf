variable "vpc_id" {
  description = "VPC that exists."
  type        = string
}

variable "subnet_ids" {
  description = "Its subnets for the tasks."
  type        = list(string)
}
