import { CATALOG, type CatalogImage, PATH } from "./catalog.ts";

/**
 * What stands in for the images that the stacks in examples/ name. Redis, PostgreSQL and the voting app are the real programs that
 * the demo has, under the tags that the files say; for the others there is one small program that listens where they would
 * (files/stand-in.pl says what it does). See docs/images-offline.md.
 */

/** Repository and tag → the ports that the image listens on. A repository without a slash is one of Docker's own. */
const PORTS: Readonly<Record<string, string>> = {
  "apache/kafka:3.7.0": "9092 9093",
  "coreos/etcd:v3.5.12": "2379 2380",
  "elasticsearch:8.13.0": "9200 9300",
  "gitea/gitea:1.21": "22 3000",
  "gitlab/gitlab-ce:16.10.0-ce.0": "22 80 443",
  "gitlab/gitlab-runner:alpine": "",
  "grafana/grafana:10.4.0": "3000",
  "grafana/loki:2.9.0": "3100",
  "grafana/promtail:latest": "9080",
  "hashicorp/vault:1.16": "8200",
  "jenkins/inbound-agent:latest": "",
  "jenkins/jenkins:lts": "8080 50000",
  "keycloak/keycloak:24.0": "8080 8443",
  "kibana:8.13.0": "5601",
  "logstash:8.13.0": "5044 9600 12201/udp",
  "mariadb:11": "3306",
  "mariadb:latest": "3306",
  "matomo:5-apache": "80",
  "mattermost/mattermost-team-edition:9.5": "8065 8443/udp",
  "minio/minio:latest": "9000 9001",
  "mongo:7": "27017",
  "n8nio/n8n:1.36.0": "5678",
  "nextcloud:28-fpm": "9000",
  "nginx:1.27": "80",
  "portainer/agent:2.20.0": "9001",
  "portainer/portainer-ce:2.20.0": "8000 9000 9443",
  "prom/node-exporter:v1.7.0": "9100",
  "prom/prometheus:v2.51.0": "9090",
  "rabbitmq:3-management": "5672 15672",
  "registry:2": "5000",
  "restic/restic:0.16.4": "",
  "traefik:v3": "80 443 443/udp 8080",
  "traefik/whoami:latest": "80",
  "woodpeckerci/woodpecker-agent:v2": "3000",
  "woodpeckerci/woodpecker-server:v2": "8000 9000",
  "wordpress:6-apache": "80",
};

/** The images whose program is the entrypoint itself, by the name it has among the stand-in's own. */
const ENTRYPOINTS: Readonly<Record<string, string>> = { "restic/restic:0.16.4": "restic" };

/** Repository and tag → the image of the catalog that is the real thing, or its next of kin. */
const REAL: Readonly<Record<string, string>> = {
  "redis:7": "library/redis",
  "redis:7-alpine": "library/redis",
  "postgres:15": "library/postgres",
  "postgres:15-alpine": "library/postgres",
  "postgres:16": "library/postgres",
  "postgres:16-alpine": "library/postgres",
  "voting/result:1": "bretfisher/examplevotingapp_result",
  "voting/vote:1": "bretfisher/examplevotingapp_vote",
  "voting/worker:1": "bretfisher/examplevotingapp_worker",
};

/** A name as people write it, in the registry's words. */
function splitName(name: string): { repository: string; tag: string } {
  const [repository = "", tag = "latest"] = name.split(":");
  return { repository: repository.includes("/") ? repository : `library/${repository}`, tag };
}

function standIn([name, ports]: readonly [string, string]): CatalogImage {
  const exposed = ports.split(" ").filter(Boolean);
  return {
    ...splitName(name),
    layers: ["busybox", "probe", "stand-in"],
    config: {
      Env: [PATH, `STANDS_IN_FOR=${name}`, `STAND_IN_PORTS=${ports}`],
      Entrypoint: [ENTRYPOINTS[name] ?? "stand-in"],
      ExposedPorts: Object.fromEntries(
        exposed.map((port) => [port.includes("/") ? port : `${port}/tcp`, {}]),
      ),
      Labels: { "io.shoal.stands-in-for": name },
    },
  };
}

function realOne([name, repository]: readonly [string, string]): CatalogImage {
  const image = CATALOG.find((one) => one.repository === repository);
  if (image === undefined) throw new Error(`there is no image ${repository} to stand in for ${name}`);
  const isRedis = repository === "library/redis";
  return {
    ...image,
    ...splitName(name),
    layers: isRedis ? [...image.layers, "sentinel"] : image.layers,
    config: { ...image.config, Labels: { "io.shoal.stands-in-for": name } },
  };
}

/** The images of the example stacks. */
export const STAND_INS: readonly CatalogImage[] = [
  ...Object.entries(PORTS).map(standIn),
  ...Object.entries(REAL).map(realOne),
];

/** The TCP ports that an image of a stack listens on, by the name that the file says. */
export function exposedBy(image: string): string[] {
  const { repository, tag } = splitName(image.replace(/^[^/]+\.[^/]+\//, ""));
  const { config } = STAND_INS.find((one) => one.repository === repository && one.tag === tag) ?? {};
  const ports = Object.keys(config?.ExposedPorts ?? {}).filter((port) => port.endsWith("/tcp"));
  return ports.map((port) => port.replace("/tcp", ""));
}
