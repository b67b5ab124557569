# --- The stack ------------------------------------------------------------------------------------

variable "region" {
  description = "AWS region of the stack. Use the input's region: S3 to Fargate inside a region costs nothing."
  type        = string
  default     = "us-east-1"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2,4}(-[a-z]+){1,2}-[0-9]+$", var.region))
    error_message = "region must be a region's code, such as us-east-1 or eu-central-1."
  }
}

variable "name" {
  description = "Prefix of every name in the stack, and its Stack tag. Two stacks in one account need two names."
  type        = string
  default     = "mapreduce"
  nullable    = false

  # It is part of the names of the bucket (63 characters with account and region), the security
  # groups (never "sg-") and the repositories: the strictest rules of all of them apply.
  validation {
    condition     = can(regex("^[a-z](-?[a-z0-9]){1,23}$", var.name)) && length(var.name) <= 24 && !startswith(var.name, "sg-")
    error_message = "name must be 2 to 24 lower-case letters, digits and single hyphens, start with a letter (not with sg-) and end with a letter or digit."
  }
}

variable "extra_tags" {
  description = "Additional tags on all resources, for example a cost centre."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition = alltrue([
      for key in keys(var.extra_tags) : !contains(["Project", "Stack", "System", "ManagedBy"], key) && !startswith(lower(key), "aws:")
    ])
    error_message = "extra_tags may not set Project, Stack, System or ManagedBy (they identify the stack), nor a key that starts with aws:."
  }
}

# --- Number and size ------------------------------------------------------------------------------

variable "splitter_count" {
  description = "Number of splitter tasks. 0 stops the service and its cost."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.splitter_count >= 0 && floor(var.splitter_count) == var.splitter_count
    error_message = "splitter_count must be a whole number, 0 or more."
  }
}

variable "mapper_count" {
  description = "Number of mapper tasks. It may change during a run: the driver finds new mappers. 0 stops the service."
  type        = number
  default     = 3
  nullable    = false

  validation {
    condition     = var.mapper_count >= 0 && floor(var.mapper_count) == var.mapper_count
    error_message = "mapper_count must be a whole number, 0 or more."
  }
}

variable "reducer_count" {
  description = "Number of reducer tasks. 0 stops the service."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.reducer_count >= 0 && floor(var.reducer_count) == var.reducer_count
    error_message = "reducer_count must be a whole number, 0 or more."
  }
}

variable "idle_stop_minutes" {
  description = "Minutes without a run after which the idle guard, a small task beside the services, stops them all. 0: no guard; then they run until they are stopped."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.idle_stop_minutes == 0 || (var.idle_stop_minutes >= 1 && var.idle_stop_minutes <= 1440 && floor(var.idle_stop_minutes) == var.idle_stop_minutes)
    error_message = "idle_stop_minutes must be a whole number from 1 to 1440, or 0 for no guard."
  }
}

# The defaults use 4.75 vCPUs with 3 mappers: a new account's quota on Fargate is 6.

variable "splitter_cpu" {
  description = "CPU of a splitter task in CPU units (1024 = 1 vCPU)."
  type        = number
  default     = 512
  nullable    = false

  validation {
    condition     = contains(keys(local.fargate_memory_mib), tostring(var.splitter_cpu))
    error_message = "splitter_cpu must be one of ${local.fargate_cpus}."
  }
}

variable "splitter_memory" {
  description = "Memory of a splitter task in MiB. Fargate limits the sizes for each CPU."
  type        = number
  default     = 1024
  nullable    = false

  validation {
    condition     = contains(lookup(local.fargate_memory_mib, tostring(var.splitter_cpu), [var.splitter_memory]), var.splitter_memory)
    error_message = "Fargate has no task of ${var.splitter_cpu} CPU units with ${var.splitter_memory} MiB. Choose splitter_memory from ${join(", ", lookup(local.fargate_memory_mib, tostring(var.splitter_cpu), []))}."
  }
}

variable "mapper_cpu" {
  description = "CPU of a mapper task in CPU units (1024 = 1 vCPU). A mapper runs one map task for each vCPU, at least one."
  type        = number
  default     = 1024
  nullable    = false

  validation {
    condition     = contains(keys(local.fargate_memory_mib), tostring(var.mapper_cpu))
    error_message = "mapper_cpu must be one of ${local.fargate_cpus}."
  }
}

variable "mapper_memory" {
  description = "Memory of a mapper task in MiB, shared by its map tasks. Fargate limits the sizes for each CPU."
  type        = number
  default     = 2048
  nullable    = false

  validation {
    condition     = contains(lookup(local.fargate_memory_mib, tostring(var.mapper_cpu), [var.mapper_memory]), var.mapper_memory)
    error_message = "Fargate has no task of ${var.mapper_cpu} CPU units with ${var.mapper_memory} MiB. Choose mapper_memory from ${join(", ", lookup(local.fargate_memory_mib, tostring(var.mapper_cpu), []))}."
  }
}

variable "reducer_cpu" {
  description = "CPU of a reducer task in CPU units (1024 = 1 vCPU)."
  type        = number
  default     = 1024
  nullable    = false

  validation {
    condition     = contains(keys(local.fargate_memory_mib), tostring(var.reducer_cpu))
    error_message = "reducer_cpu must be one of ${local.fargate_cpus}."
  }
}

variable "reducer_memory" {
  description = "Memory of a reducer task in MiB; more data is sorted on the scratch volume. Fargate limits the sizes for each CPU."
  type        = number
  default     = 4096
  nullable    = false

  validation {
    condition     = contains(lookup(local.fargate_memory_mib, tostring(var.reducer_cpu), [var.reducer_memory]), var.reducer_memory)
    error_message = "Fargate has no task of ${var.reducer_cpu} CPU units with ${var.reducer_memory} MiB. Choose reducer_memory from ${join(", ", lookup(local.fargate_memory_mib, tostring(var.reducer_cpu), []))}."
  }
}

variable "ephemeral_storage_gib" {
  description = "Disk of each task in GiB, for image and /scratch. The first 20 are free."
  type        = number
  default     = 20
  nullable    = false

  validation {
    condition     = var.ephemeral_storage_gib >= 20 && var.ephemeral_storage_gib <= 200 && floor(var.ephemeral_storage_gib) == var.ephemeral_storage_gib
    error_message = "ephemeral_storage_gib must be a whole number from 20 to 200."
  }
}

variable "spot_share" {
  description = "Percentage of the mappers on Fargate Spot: about 70 % cheaper, and terminated with two minutes' notice. Splitter and reducer never use it: a lost map task repeats one split, a lost reduce task the whole stage."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.spot_share >= 0 && var.spot_share <= 100 && floor(var.spot_share) == var.spot_share
    error_message = "spot_share must be a whole number from 0 to 100."
  }
}

# --- Images and containers ------------------------------------------------------------------------

variable "image_tag" {
  description = "Tag of the three images, set by the deploy script to a hash of their content. No default: a task can only run an image that was pushed."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$", var.image_tag)) && var.image_tag != "latest"
    error_message = "image_tag must be a valid image tag, and not latest: the repositories' tags are immutable."
  }
}

variable "image_digests" {
  description = "Digests of the pushed images by role, set by the deploy script. A service whose role is in it runs the image of that digest, whatever image_tag says."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for role in keys(var.image_digests) : contains(["splitter", "mapper", "reducer", "guard"], role)])
    error_message = "image_digests' keys must be roles: splitter, mapper, reducer, guard."
  }

  validation {
    condition     = alltrue([for digest in values(var.image_digests) : can(regex("^sha256:[0-9a-f]{64}$", digest))])
    error_message = "image_digests' values must be digests: sha256: and 64 hexadecimal digits."
  }
}

variable "architecture" {
  description = "CPU architecture of the images and tasks: X86_64, or ARM64 (about 20 % cheaper)."
  type        = string
  default     = "X86_64"
  nullable    = false

  validation {
    condition     = contains(["X86_64", "ARM64"], var.architecture)
    error_message = "architecture must be X86_64 or ARM64."
  }
}

variable "extra_environment" {
  description = "Additional environment variables of every container; they override the stack's. Every user who may describe a task definition can read them, so no secrets."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for key in keys(var.extra_environment) : can(regex("^[A-Za-z_][A-Za-z0-9_]*$", key))])
    error_message = "extra_environment's keys must be names of environment variables."
  }

  # ECS refuses a name that is both a variable and a secret, but only on registration.
  validation {
    condition     = !contains(keys(var.extra_environment), "MAPREDUCE_SIGNING_KEY")
    error_message = "extra_environment may not set MAPREDUCE_SIGNING_KEY: it comes from the stack's parameter."
  }
}

# --- Access ---------------------------------------------------------------------------------------

variable "vpc_cidr" {
  description = "Address range of the VPC that the stack makes. Change it to peer the VPC with a network that uses the same range. Not used with vpc_id."
  type        = string
  default     = "10.20.0.0/16"
  nullable    = false

  # cidrsubnet(..., 0, 0) clears the host bits. AWS clears them too, and the next plan would differ.
  validation {
    condition     = can(cidrnetmask(var.vpc_cidr)) && try(cidrsubnet(var.vpc_cidr, 0, 0), "") == var.vpc_cidr && try(tonumber(split("/", var.vpc_cidr)[1]) >= 16 && tonumber(split("/", var.vpc_cidr)[1]) <= 24, false)
    error_message = "vpc_cidr must be an IPv4 range from /16 to /24 with its host bits zero, such as 10.20.0.0/16."
  }
}

variable "allowed_cidrs" {
  description = "IPv4 ranges outside the VPC that may call the services, usually your address as a /32. Empty: only from inside the VPC. Every call must also be signed, but 0.0.0.0/0 still lets every host try; the deploy script never sets it."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for cidr in var.allowed_cidrs : can(cidrnetmask(cidr)) && try(cidrsubnet(cidr, 0, 0), "") == cidr])
    error_message = "allowed_cidrs must be IPv4 ranges with their host bits zero, such as 203.0.113.7/32."
  }
}

variable "address_kind" {
  description = "Which address of a task the driver calls: public from a laptop, or private from a network that reaches the VPC (VPN, peering, an instance inside). Terraform only passes it to the driver, which cannot know what its network routes."
  type        = string
  default     = "public"
  nullable    = false

  validation {
    condition     = contains(["public", "private"], var.address_kind)
    error_message = "address_kind must be public or private."
  }
}

variable "service_discovery" {
  description = "Cloud Map namespace for the tasks: api (found by Cloud Map's API; free), dns (by name in the VPC too; its hosted zone costs $0.50 a month), or none (the driver asks ECS). Null: api, or none with existing_role_name, because AWS Academy denies Cloud Map."
  type        = string
  default     = null

  validation {
    condition     = var.service_discovery == null || contains(["api", "dns", "none"], coalesce(var.service_discovery, "none"))
    error_message = "service_discovery must be api, dns, none or null."
  }
}

variable "extra_input_buckets" {
  description = "Names of additional buckets for input. Splitters and mappers may list and read them, no service may write to them."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for bucket in var.extra_input_buckets : can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", bucket))])
    error_message = "extra_input_buckets must be bucket names: no s3://, no path."
  }
}

variable "extra_kms_key_arns" {
  description = "ARNs of the KMS keys with which extra_input_buckets are encrypted. Splitters and mappers may decrypt with them, through S3 only. The keys' own policies must allow it too."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.extra_kms_key_arns : can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", arn))])
    error_message = "extra_kms_key_arns must be ARNs of keys (arn:aws:kms:REGION:ACCOUNT:key/ID), not of aliases: a policy does not match an alias."
  }
}

variable "existing_role_name" {
  description = "Name of an existing IAM role for all tasks, such as LabRole in AWS Academy. Then no role is created, and the tasks have all permissions of that role. Null: one least-privilege role for each service and one to start tasks."
  type        = string
  default     = null

  validation {
    condition     = var.existing_role_name == null || can(regex("^[A-Za-z0-9+=,.@_-]{1,64}$", var.existing_role_name))
    error_message = "existing_role_name must be a role's name, not its ARN and not empty (null creates roles)."
  }
}

# --- A driver in AWS ------------------------------------------------------------------------------

# On by default: a task definition costs nothing, and the image in ECR a cent or two a month, for
# which every stack takes `submit` without another deployment.
variable "driver" {
  description = "Whether a driver can run in AWS: its task definition, roles and security group. It costs about two cents an hour while it runs, and nothing otherwise but its image in ECR."
  type        = bool
  default     = true
  nullable    = false
}

variable "end_notice" {
  description = "Who hears that a driver in AWS has stopped: an e-mail address, or the ARN of an SNS topic in the stack's region that admits events.amazonaws.com. Null: none."
  type        = string
  default     = null

  validation {
    condition     = var.end_notice == null || can(regex("^[^@ :]+@[^@ :]+\\.[^@ :]+$", var.end_notice)) || can(regex("^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+$", var.end_notice))
    error_message = "end_notice must be an e-mail address or the ARN of a standard SNS topic."
  }

  validation {
    condition     = var.end_notice == null || var.driver
    error_message = "end_notice needs driver = true."
  }
}

variable "schedules" {
  description = "Drivers that AWS starts by the clock. By name: expression, as rate(1 day), cron(0 22 * * ? *) or at(2026-12-31T22:00:00) of EventBridge Scheduler; command, the words after `python -m driver`; and timezone, an IANA time zone, UTC by default."
  type = map(object({
    expression = string
    command    = list(string)
    timezone   = optional(string, "UTC")
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for name in keys(var.schedules) : can(regex("^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", name))])
    error_message = "schedules' names must be 1 to 64 letters, digits, hyphens, underscores and dots."
  }

  validation {
    condition = alltrue([
      for schedule in values(var.schedules) :
      can(regex("^(rate\\([1-9][0-9]* (minute|hour|day)s?\\)|cron\\([^ ()]+( [^ ()]+){5}\\)|at\\([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\))$", schedule.expression))
    ])
    error_message = "schedules' expressions must be rate(1 day), cron with six fields such as cron(0 22 * * ? *), or at(2026-12-31T22:00:00)."
  }

  validation {
    condition     = alltrue([for schedule in values(var.schedules) : can(regex("^[A-Za-z]+(/[A-Za-z0-9_+-]+){0,2}$", schedule.timezone))])
    error_message = "schedules' time zones must be IANA time zones, such as Europe/Berlin."
  }

  # RunTask takes overrides of 8,192 bytes.
  validation {
    condition     = alltrue([for schedule in values(var.schedules) : length(schedule.command) > 0 && length(jsonencode(schedule.command)) <= 8000])
    error_message = "schedules' commands must have a word or more, and 8,000 characters or fewer as JSON."
  }

  validation {
    condition     = length(var.schedules) == 0 || var.driver
    error_message = "schedules need driver = true."
  }

  validation {
    condition     = length(var.schedules) == 0 || var.existing_role_name == null
    error_message = "schedules make a role, and existing_role_name says that the account allows none: leave one of them out."
  }
}

# --- A company's account --------------------------------------------------------------------------

variable "vpc_id" {
  description = "VPC that exists, for an account that makes its networks elsewhere. Then the stack makes no VPC, subnet, gateway or endpoint. Null: the stack makes its own."
  type        = string
  default     = null

  validation {
    condition     = var.vpc_id == null || can(regex("^vpc-[0-9a-f]+$", var.vpc_id))
    error_message = "vpc_id must be the ID of a VPC, such as vpc-0123456789abcdef0."
  }

  validation {
    condition     = (var.vpc_id == null) == (length(var.subnet_ids) == 0)
    error_message = "vpc_id and subnet_ids belong together: set both, or neither."
  }
}

variable "subnet_ids" {
  description = "Subnets of vpc_id for the tasks, best in two zones. Tasks must reach ECR, S3, CloudWatch Logs and Systems Manager from there: by an internet gateway and public addresses, a NAT gateway, or VPC endpoints."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for id in var.subnet_ids : can(regex("^subnet-[0-9a-f]+$", id))]) && length(distinct(var.subnet_ids)) == length(var.subnet_ids)
    error_message = "subnet_ids must be different IDs of subnets, such as subnet-0123456789abcdef0."
  }
}

variable "assign_public_ip" {
  description = "Whether tasks get public addresses. false for private subnets: then the driver must call the private ones."
  type        = bool
  default     = true
  nullable    = false

  validation {
    condition     = var.assign_public_ip || var.vpc_id != null
    error_message = "assign_public_ip = false needs vpc_id and subnet_ids: in the stack's own subnets a public address is the only route to the images."
  }

  validation {
    condition     = var.assign_public_ip || var.address_kind == "private"
    error_message = "assign_public_ip = false needs address_kind = \"private\": without public addresses the driver cannot call them."
  }
}

variable "permissions_boundary_arn" {
  description = "Policy that limits every role that the stack makes. Null: none."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary_arn == null || can(regex("^arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/.+$", var.permissions_boundary_arn))
    error_message = "permissions_boundary_arn must be the ARN of a policy, such as arn:aws:iam::123456789012:policy/boundary."
  }
}

variable "role_path" {
  description = "Path of every role that the stack makes, such as /teams/data/."
  type        = string
  default     = "/"
  nullable    = false

  validation {
    condition     = can(regex("^/([!-.0-~]+/)*$", var.role_path)) && length(var.role_path) <= 512
    error_message = "role_path must begin and end with a slash, such as /teams/data/."
  }
}

# --- Retention ------------------------------------------------------------------------------------

variable "log_retention_days" {
  description = "Days that CloudWatch keeps the services' logs."
  type        = number
  default     = 14
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be one of CloudWatch's values: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653."
  }
}

variable "intermediate_retention_days" {
  description = "Days after which S3 deletes intermediate data (chunks/, maps/ and pairs/). A run that is continued later repeats its map tasks."
  type        = number
  default     = 7
  nullable    = false

  validation {
    condition     = var.intermediate_retention_days >= 1 && floor(var.intermediate_retention_days) == var.intermediate_retention_days
    error_message = "intermediate_retention_days must be a whole number, 1 or more."
  }
}

# By default nothing that a user may want back expires: results, inputs, code and records are kept
# until `clean` or a destroy. Those of these folders that are small stay small for years.

variable "input_retention_days" {
  description = "Days after which S3 deletes uploaded inputs (input/). A later run uploads its input again; a run that is under way then fails. 0: never."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.input_retention_days >= 0 && floor(var.input_retention_days) == var.input_retention_days
    error_message = "input_retention_days must be a whole number, 0 (never) or more."
  }
}

variable "code_retention_days" {
  description = "Days after which S3 deletes the code of jobs and their packages (jobs/, packages/). A later run uploads it again; a run that is under way then fails. 0: never."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.code_retention_days >= 0 && floor(var.code_retention_days) == var.code_retention_days
    error_message = "code_retention_days must be a whole number, 0 (never) or more."
  }
}

variable "run_retention_days" {
  description = "Days after which S3 deletes the records of runs (runs/): plan, events, report, dead letters. The results stay, but `status` and `verify` no longer know the run. 0: never."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.run_retention_days >= 0 && floor(var.run_retention_days) == var.run_retention_days
    error_message = "run_retention_days must be a whole number, 0 (never) or more."
  }
}

variable "task_retention_days" {
  description = "Days after which S3 deletes the records of finished tasks (tasks/). A later run does these tasks again. 0: never."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.task_retention_days >= 0 && floor(var.task_retention_days) == var.task_retention_days
    error_message = "task_retention_days must be a whole number, 0 (never) or more."
  }
}

# --- Costs and alarms: all off by default ---------------------------------------------------------

variable "monthly_budget_usd" {
  description = "Budget in US dollars a month over everything with the stack's tag; AWS writes to budget_email at 80 % and 100 % of it. It stops nothing, and sees costs only after the tag Stack was activated as a cost allocation tag. Null: none."
  type        = number
  default     = null

  validation {
    condition     = var.monthly_budget_usd == null || try(var.monthly_budget_usd >= 0.01, false)
    error_message = "monthly_budget_usd must be a cent or more."
  }

  validation {
    condition     = (var.monthly_budget_usd == null) == (var.budget_email == null)
    error_message = "monthly_budget_usd and budget_email belong together: set both, or neither."
  }
}

variable "budget_email" {
  description = "Address that AWS writes to about the budget."
  type        = string
  default     = null

  validation {
    condition     = var.budget_email == null || can(regex("^[^@ ]+@[^@ ]+\\.[^@ ]+$", var.budget_email))
    error_message = "budget_email must be an e-mail address."
  }
}

variable "nightly_stop" {
  description = "When all tasks are stopped, as cron(minutes hours day-of-month month day-of-week year) of EventBridge Scheduler, such as cron(0 22 * * ? *). A run that is under way is interrupted. The next apply starts them again. Null: never."
  type        = string
  default     = null

  validation {
    condition     = var.nightly_stop == null || can(regex("^cron\\([^ ()]+( [^ ()]+){5}\\)$", var.nightly_stop))
    error_message = "nightly_stop must have six fields, such as cron(0 22 * * ? *): each day at 22:00."
  }

  validation {
    condition     = var.nightly_stop == null || var.existing_role_name == null
    error_message = "nightly_stop makes a role, and existing_role_name says that the account allows none: leave one of them out."
  }
}

variable "nightly_stop_timezone" {
  description = "IANA time zone of nightly_stop, such as Europe/Berlin."
  type        = string
  default     = "UTC"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z]+(/[A-Za-z0-9_+-]+){0,2}$", var.nightly_stop_timezone))
    error_message = "nightly_stop_timezone must be an IANA time zone, such as Europe/Berlin."
  }
}

variable "alarms" {
  description = "Whether CloudWatch watches for errors of the services, full memory, and tasks that run for 12 hours. $0.70 a month, unless they are among the account's first ten alarms."
  type        = bool
  default     = false
  nullable    = false
}

variable "alarm_topic_arn" {
  description = "SNS topic in the stack's region that the alarms notify. Null: they only show their state."
  type        = string
  default     = null

  validation {
    condition     = var.alarm_topic_arn == null || can(regex("^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+$", var.alarm_topic_arn))
    error_message = "alarm_topic_arn must be the ARN of a standard SNS topic."
  }

  validation {
    condition     = var.alarm_topic_arn == null || var.alarms
    error_message = "alarm_topic_arn needs alarms = true."
  }
}

variable "dashboard" {
  description = "Whether the stack has a dashboard in CloudWatch: tasks, CPU, memory, failed attempts, errors. $3 a month, unless it is among the account's first three."
  type        = bool
  default     = false
  nullable    = false
}

# --- Fargate's sizes ------------------------------------------------------------------------------

locals {
  # CPU units -> memory in MiB, for Linux tasks: AWS's complete table.
  fargate_memory_mib = {
    "256"   = [512, 1024, 2048]
    "512"   = range(1024, 4096 + 1, 1024)
    "1024"  = range(2048, 8192 + 1, 1024)
    "2048"  = range(4096, 16384 + 1, 1024)
    "4096"  = range(8192, 30720 + 1, 1024)
    "8192"  = range(16384, 61440 + 1, 4096)
    "16384" = range(32768, 122880 + 1, 8192)
  }

  fargate_cpus = "256, 512, 1024, 2048, 4096, 8192 or 16384"
}
