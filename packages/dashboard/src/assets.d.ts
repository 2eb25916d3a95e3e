declare module "*.svg?url" {
  const url: string;
  // biome-ignore lint/style/noDefaultExport: the bundler decides what such a module exports.
  export default url;
}
