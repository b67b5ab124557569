variable "name" {
  description = "Prefix of the parameter's name."
  type        = string
}

variable "description" {
  description = "What the key is for."
  type        = string
}

variable "length" {
  description = "Length of the key in bytes (it is ASCII)."
  type        = number
  default     = 64

  # RFC 7518, section 3.2: an HS256 key is at least as long as the hash.
  validation {
    condition     = var.length >= 32
    error_message = "The signing key must have at least 32 bytes."
  }
}
