variable "name" {
  description = "Prefix of the names."
  type        = string
}

variable "vpc_cidr" {
  description = "Address range of the VPC, /16 to /24. Each subnet uses a quarter; half stays free."
  type        = string
}
