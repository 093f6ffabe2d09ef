import { Fault } from "../lib/index.ts";

// Docker's own words, which its CLI and scripts read.

export function noSuchContainer(id: string): Fault {
  return new Fault("not-found", `No such container: ${id}`);
}

/** moby daemon/errors.go containerFileNotFound. */
export function noSuchPath(id: string, path: string): Fault {
  return new Fault("not-found", `Could not find the file ${path} in container ${id}`);
}

export function nameTaken(name: string, owner: string): Fault {
  return new Fault(
    "conflict",
    `Conflict. The container name "/${name}" is already in use by container "${owner}". You have to remove (or rename) that container to be able to reuse that name.`,
  );
}

export function notRunning(id: string): Fault {
  return new Fault("conflict", `container ${id} is not running`);
}

/** moby daemon/container_operations.go getNetworkedContainer. */
export function peerNotRunning(name: string, state: string): Fault {
  const what = "cannot join network namespace of a non running container";
  return new Fault("conflict", `${what}: container ${name} is ${state}`);
}

export function alreadyPaused(id: string): Fault {
  return new Fault("conflict", `container ${id} is already paused`);
}

export function isPaused(id: string): Fault {
  return new Fault("conflict", `container ${id} is paused, unpause the container before exec`);
}

export function notPaused(id: string): Fault {
  return new Fault("conflict", `container ${id} is not paused`);
}

export function noHealthCheck(id: string): Fault {
  return new Fault("invalid", `cannot wait for the health of container ${id}: it has no health check`);
}

export function logNotKept(): Fault {
  return new Fault("unsupported", "configured logging driver does not support reading");
}
