mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name  = "mapreduce"
  roles = ["splitter", "mapper", "reducer"]
}

run "a_repository_per_role_that_cannot_be_overwritten" {
  command = plan

  module {
    source = "./modules/registry"
  }

  assert {
    condition     = { for role, repository in aws_ecr_repository.this : role => repository.name } == { splitter = "mapreduce/splitter", mapper = "mapreduce/mapper", reducer = "mapreduce/reducer" }
    error_message = "Each role has its repository, under the stack's name."
  }

  assert {
    condition     = alltrue([for repository in aws_ecr_repository.this : repository.image_tag_mutability == "IMMUTABLE" && repository.image_scanning_configuration[0].scan_on_push])
    error_message = "Tags must be immutable, and images scanned."
  }

  assert {
    condition     = alltrue([for repository in aws_ecr_repository.this : repository.force_delete])
    error_message = "A destroy must not stop at images."
  }

  assert {
    condition     = alltrue([for policy in aws_ecr_lifecycle_policy.this : jsondecode(policy.policy).rules[0].selection.countNumber == 10])
    error_message = "Old images must expire."
  }
}
