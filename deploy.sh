#!/usr/bin/env bash
# Create the stack in AWS, or update it; safe to run again. `--system NAME` deploys another system
# than MapReduce: a folder of examples/. The other options are those of
#   python -m driver stack settings --help
# (--region, --name, --mappers, --role LabRole, --allow CIDR, --architecture, --var NAME=VALUE).
# Variables:
#   MAPREDUCE_REGISTRY_HOST    another host for the image registry (an emulator)
#   MAPREDUCE_BUILD_OPTIONS    more options for docker build
#   MAPREDUCE_TERRAFORM        another folder of MapReduce's Terraform
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

system=
for option in "$@"; do
    shift
    case $system,$option in
    --system,*) system=$option ;;
    ,--system) system=--system ;;
    ,--system=*) system=${option#*=} ;;
    *) set -- "$@" "$option" ;;
    esac
done

next=deploy.next.tfvars.json
# With an attestation an image is an index of two manifests, and its push writes the tag for each of
# them (`make containerd-store` shows it); the repositories' tags are immutable.
export BUILDX_NO_DEFAULT_ATTESTATIONS=1
make --quiet .venv/ready
stack() { .venv/bin/python -m driver stack "$@"; }
step() { printf '\n== %s\n' "$*" >&2; }
apply() { terraform -chdir="$terraform_dir" apply -auto-approve -input=false "$@"; }

# The folder names the system to all steps.
terraform_dir=$(stack folder ${system:+--system "$system"})
export MAPREDUCE_TERRAFORM=$terraform_dir

step "base images"
stack base-images --missing ||
    echo "the images are built from what the base images' tags name now" >&2

step "settings"
stack settings "$@"

step "checks, before anything is changed"
stack preflight

step "image registry"
terraform -chdir="$terraform_dir" init -input=false -upgrade=false >/dev/null
apply -target=module.registry -var-file="$next" >/dev/null

step "images"
platform=$(stack platform)
images=$(stack images)
if grep -q ' missing$' <<<"$images" && [ -z "${MAPREDUCE_REGISTRY_HOST:-}" ]; then
    registry=$(awk 'NR == 1 { split($3, part, "/"); print part[1] }' <<<"$images")
    stack registry-password | docker login --username AWS --password-stdin "$registry" >/dev/null
fi
while read -r role dockerfile image state _; do
    if [ "$state" = there ]; then
        echo "$role: $image exists" >&2
        continue
    fi
    echo "$role: building and pushing $image" >&2
    # shellcheck disable=SC2086  # options are words
    docker build --quiet --platform "$platform" ${MAPREDUCE_BUILD_OPTIONS:-} \
        --file "$dockerfile" --tag "$image" . >/dev/null
    pushed=$image
    if [ -n "${MAPREDUCE_REGISTRY_HOST:-}" ]; then
        pushed=$MAPREDUCE_REGISTRY_HOST/${image#*/}
        docker tag "$image" "$pushed"
    fi
    docker push --quiet "$pushed" >/dev/null
done <<<"$images"
stack image-digests

step "everything else"
# Not before the images exist: every later apply (make scale) uses these settings.
mv "$terraform_dir/$next" "$terraform_dir/deploy.auto.tfvars.json"
stack share-settings
apply | { grep -E '^(Apply|Warning|No changes)' || true; } >&2

step "waiting until every service answers"
stack wait

step "done"
stack cost
