import { preparedRegistry } from "../../scripts/images.ts";
import { type LabRecord, labDown, labUp, newLab } from "../../src/lab/index.ts";
import { systemClock } from "../../src/sys/index.ts";
import { hostParts } from "../support/swarm.ts";
import { NODE_RESOURCES, Side } from "./side.ts";

/** Both swarms on one lab: Shoal on hosts 1 and 2, Docker's own on 3 and 4. */
export class Twins {
  readonly lab: LabRecord;
  readonly shoal: Side;
  readonly docker: Side;

  private constructor(lab: LabRecord, shoal: Side, docker: Side) {
    this.lab = lab;
    this.shoal = shoal;
    this.docker = docker;
  }

  /** Names have up to 16 letters (src/lab). */
  static async up(name: string): Promise<Twins> {
    const images = await preparedRegistry(() => undefined, { only: "test" });
    const settings = { "node-generic-resources": [NODE_RESOURCES] };
    const lab = newLab({ name, hosts: 4, images, uplink: false, settings });
    await labUp(lab, hostParts);
    try {
      const [shoal, docker] = await Promise.all([Side.shoal(lab, ["1", "2"]), Side.docker(lab, ["3", "4"])]);
      return new Twins(lab, shoal, docker);
    } catch (error) {
      await labDown(lab, systemClock);
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await labDown(this.lab, systemClock);
  }
}
