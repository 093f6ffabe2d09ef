import type { AgentMessage, ManagerMessage } from "./messages.ts";

/** What a small message takes, about. */
const SMALL = 128;

/** About how many bytes an agent's message takes in memory while it waits. */
export function weighAgent(message: AgentMessage): number {
  switch (message.kind) {
    case "log-lines":
      return SMALL + sum(message.lines, (line) => SMALL + line.line.length);
    case "statuses":
      return SMALL + SMALL * 4 * message.statuses.length;
    case "guests":
      return SMALL + sum(message.wishes, ({ networks }) => SMALL * (2 + networks.length));
    case "hello":
    case "logs-done":
    case "applied":
    case "farewell":
      return SMALL;
  }
}

/** About how many bytes a manager's message takes in memory while it waits. */
export function weighManager(message: ManagerMessage): number {
  switch (message.kind) {
    case "assignments":
      return (
        SMALL +
        sum(message.upserts, ({ key, json }) => key.length + json.length) +
        64 * message.removals.length
      );
    case "drained":
    case "log-request":
      return SMALL + 64 * message.taskIds.length;
    case "guest-answer":
      return SMALL * (2 + message.places.length);
    case "welcome":
    case "log-taken":
    case "log-cancel":
    case "visit-request":
    case "leave":
      return SMALL;
  }
}

function sum<T>(items: readonly T[], weight: (item: T) => number): number {
  return items.reduce((total, item) => total + weight(item), 0);
}
