resource "aws_ecr_repository" "this" {
  for_each = var.roles

  name = "${var.name}/${each.key}"

  # A tag is a hash of the image's content and never moves: the tested image is the one that runs.
  image_tag_mutability = "IMMUTABLE"

  # Images can be built again from the source, so they must not block a destroy.
  force_delete = true

  image_scanning_configuration {
    scan_on_push = true
  }

  encryption_configuration {
    encryption_type = "AES256"
  }
}

resource "aws_ecr_lifecycle_policy" "this" {
  for_each = aws_ecr_repository.this

  repository = each.value.name

  policy = jsonencode({
    rules = [{
      rulePriority = 1
      description  = "Keep the last 10 images: enough to roll back, for a few cents a month."
      selection = {
        tagStatus   = "any"
        countType   = "imageCountMoreThan"
        countNumber = 10
      }
      action = { type = "expire" }
    }]
  })
}
