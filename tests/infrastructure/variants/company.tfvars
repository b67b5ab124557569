# A company's account: private subnets, and limits on roles. test_variants.py adds the ids of the
# network, vpc_id and subnet_ids.
image_tag                = "0123abcd"
assign_public_ip         = false
address_kind             = "private"
permissions_boundary_arn = "arn:aws:iam::123456789012:policy/boundary"
role_path                = "/teams/data/"
