#!/usr/bin/env bash
# Builds JupyterLab's image and fetches its page from a container that is kept in as the engine keeps them in. Takes minutes
# the first time.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/images.sh jupyter-minimal
container=$(docker run --detach --init --cap-drop ALL --security-opt no-new-privileges:true --memory 1g --memory-swap 1g \
  --pids-limit 512 orrery/jupyter-minimal:latest)
trap 'docker rm --force "$container" >/dev/null' EXIT
address=$(docker inspect --format '{{.NetworkSettings.IPAddress}}' "$container")
for _ in $(seq 60); do
  curl --silent --fail --max-time 2 "http://$address:8888/api" >/dev/null && break
  sleep 1
done
curl --silent --fail --max-time 10 "http://$address:8888/api" && echo
page=$(curl --silent --fail --location --max-time 30 "http://$address:8888/")
grep -q '<title>JupyterLab</title>' <<<"$page" || { echo 'its page is not JupyterLab' >&2; exit 1; }
user=$(docker exec "$container" id -u)
[ "$user" = 1000 ] || { echo "it runs as $user" >&2; exit 1; }
echo 'ok      JupyterLab answers, as an ordinary user without capabilities'
