# Who may call the servers: workers, and server 0 the other servers. A rule between two groups
# belongs to neither service, so it is here.

locals {
  # Caller -> its group, for the rules of each server.
  callers = merge(
    { worker = module.worker.security_group_id },
    { for role, server in module.server : role => server.security_group_id if role == "parameter-server" },
  )

  # Each pair of a caller and a server that it calls.
  calls = merge([
    for server, shard in local.servers : {
      for caller in ["worker", "parameter-server"] : "${caller}-to-${server}" => {
        caller = caller
        server = server
      } if caller != server
    }
  ]...)
}

resource "aws_vpc_security_group_ingress_rule" "call" {
  for_each = local.calls

  security_group_id            = module.server[each.value.server].security_group_id
  description                  = "Calls of ${each.value.caller}"
  referenced_security_group_id = local.callers[each.value.caller]
  ip_protocol                  = "tcp"
  from_port                    = local.port
  to_port                      = local.port
}

resource "aws_vpc_security_group_egress_rule" "call" {
  for_each = local.calls

  security_group_id            = local.callers[each.value.caller]
  description                  = "Calls to ${each.value.server}"
  referenced_security_group_id = module.server[each.value.server].security_group_id
  ip_protocol                  = "tcp"
  from_port                    = local.port
  to_port                      = local.port
}
