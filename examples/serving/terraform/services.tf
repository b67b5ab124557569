# The services: how many, how large, what they read, and their settings. The modules know none of
# this.

locals {
  first_port = 9000
  last_port  = local.first_port + var.containers_per_task - 1

  has_canary = var.canary_version != null

  # Where the router looks for the containers of a service: each port of each task.
  found = {
    for role in ["model", "canary"] : role => "cloudmap://${var.name}/${role}?ports=${local.first_port}-${local.last_port}"
  }

  services = merge(
    {
      router = {
        image         = "router"
        prefix        = "ROUTER"
        desired_count = var.router_count
        cpu           = var.router_cpu
        memory        = var.router_memory
        containers    = 1
        port          = 8080
        is_public     = true
        environment   = local.router_environment
        access        = {}
        # The action supports no resource, but a condition.
        statements = [{
          Sid       = "FindContainers"
          Effect    = "Allow"
          Action    = ["servicediscovery:DiscoverInstances"]
          Resource  = ["*"]
          Condition = { StringEquals = { "servicediscovery:NamespaceName" = [var.name] } }
        }]
      }
      model = merge(local.model, {
        # Without a version there is nothing to load.
        desired_count = var.model_version == null ? 0 : var.model_count
        environment   = merge(local.model_environment, { MODEL_VERSION = coalesce(var.model_version, "none") })
      })
    },
    local.has_canary ? {
      canary = merge(local.model, {
        desired_count = var.canary_count
        environment   = merge(local.model_environment, { MODEL_VERSION = coalesce(var.canary_version, "none") })
      })
    } : {},
  )

  # The services that the router calls.
  called = toset([for role in keys(local.services) : role if role != "router"])

  model = {
    image      = "model"
    prefix     = "MODEL"
    cpu        = var.model_cpu
    memory     = var.model_memory
    containers = var.containers_per_task
    port       = local.first_port
    is_public  = false
    access     = { reads = ["models"] }
    statements = []
  }

  # The settings that examples/serving reads. A test on each side pins these names. The module adds
  # AWS's region and the port.
  model_environment = {
    MODEL_HOST       = "0.0.0.0"
    MODEL_TLS        = "true"
    MODEL_IMAGE_TAG  = lookup(var.image_digests, "model", var.image_tag)
    MODEL_STORE      = "s3://${module.storage.bucket}"
    MODEL_NAME       = var.model_name
    MODEL_LATENCY_MS = tostring(var.latency_ms)
    MODEL_METRICS_S  = var.metrics ? "60" : "0"
    MODEL_STACK      = var.name
  }

  router_environment = merge(
    {
      ROUTER_HOST             = "0.0.0.0"
      ROUTER_ALLOW_PLAIN_HTTP = "true"
      ROUTER_IMAGE_TAG        = lookup(var.image_digests, "router", var.image_tag)
      ROUTER_MODELS           = local.found["model"]
      ROUTER_MODEL_TLS        = "true"
      # Several routers that each count their own requests would all choose the same container.
      ROUTER_POLICY = var.router_count > 1 ? "two-choices" : "least"
    },
    local.has_canary && !var.shadow ? {
      ROUTER_CANARY         = local.found["canary"]
      ROUTER_CANARY_PERCENT = tostring(var.canary_percent)
    } : {},
    local.has_canary && var.shadow ? {
      ROUTER_SHADOW         = local.found["canary"]
      ROUTER_SHADOW_PERCENT = tostring(var.canary_percent)
    } : {},
  )
}
