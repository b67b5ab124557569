variable "name" {
  description = "The stack's name: prefix of the budget's name, and value of the Stack tag."
  type        = string
}

variable "monthly_usd" {
  description = "Limit in US dollars a month."
  type        = number
}

variable "email" {
  description = "Address that AWS writes to."
  type        = string
}
