variable "name" {
  description = "Prefix of the names."
  type        = string
}

variable "recipient" {
  description = "An e-mail address, for which the module makes a topic, or the ARN of a topic that exists."
  type        = string
}

variable "cluster_arn" {
  description = "Cluster of the tasks."
  type        = string
}

variable "family_arn" {
  description = "ARN of the drivers' task definition, without a revision."
  type        = string
}
