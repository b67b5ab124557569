variable "name" {
  description = "Prefix of the names."
  type        = string
}

variable "roles" {
  description = "The services; each gets a repository."
  type        = set(string)
}
