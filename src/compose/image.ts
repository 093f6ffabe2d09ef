/**
 * An image as the docker CLI sends it: without Docker Hub's own words, and tagged `latest` unless it has a tag or digest (distribution
 * reference.FamiliarString of TagNameOnly).
 */
export function familiarImage(image: string): string {
  const short = image
    .replace(/^(?:index\.)?docker\.io\/(?:library\/)?/, "")
    .replace(/^library\/(?=[^/]+$)/, "");
  const [name = "", digest] = short.split("@");
  const isTagged = /:[^/]*$/.test(name);
  return isTagged || digest !== undefined || name === "" ? short : `${name}:latest`;
}
