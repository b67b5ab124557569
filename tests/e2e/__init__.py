"""The whole system against an emulator of AWS: Terraform, images, deploy, run, scale, break,
destroy.

`make e2e` runs it. It needs root, Docker (or Debian's packages of it), debootstrap and Terraform,
but neither an AWS account nor the internet. As root on Debian it installs what is missing;
otherwise it fails with a message in a box, because a skipped check shows nothing.
"""
