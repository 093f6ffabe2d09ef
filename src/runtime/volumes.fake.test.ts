import { volumesContract } from "./volumes.contract.ts";
import { FakeVolumes } from "./volumes.fake.ts";

volumesContract("FakeVolumes", async () => new FakeVolumes());
