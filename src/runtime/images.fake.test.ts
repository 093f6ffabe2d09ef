import { imagesContract } from "./images.contract.ts";
import { FakeImages } from "./images.fake.ts";

imagesContract("FakeImages", async () => {
  const images = new FakeImages();
  return {
    images,
    app: "app",
    path: "library/app",
    publish: async (text, content) => images.publish(text, {}, content),
    goOffline: async () => {
      images.online = false;
    },
    end: async () => {},
  };
});
