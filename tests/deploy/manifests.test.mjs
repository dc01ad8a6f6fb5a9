// The Kubernetes manifests: valid by the published schema, and in agreement with each other, with the images and with the
// options that our programs know. That is as far as it goes without a cluster.
import { test } from "node:test";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DEPLOY, readKustomizations, readManifests, readYaml, schemaFaults } from "./lib/manifests.mjs";
import { run } from "../cluster/lib/process.mjs";

const NAMESPACE = "ordo";
const manifests = readManifests();
const objects = manifests.map(({ object }) => object);
const ofKind = (...kinds) => objects.filter(({ kind }) => kinds.includes(kind));
const workloads = ofKind("StatefulSet", "Deployment", "Job");
const title = ({ kind, metadata }) => `${kind} ${metadata.name}`;
const podSpec = (workload) => workload.spec.template.spec;
const containersOf = (workload) => podSpec(workload).containers;
const allContainers = () => workloads.flatMap((workload) => containersOf(workload).map((container) => ({ workload, container })));
const portNames = (workload) => containersOf(workload).flatMap(({ ports = [] }) => ports.map(({ name }) => name));

/** Whether a label selector matches; an empty one matches everything. */
function selects({ matchLabels = {}, matchExpressions = [] }, labels) {
  return Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(({ key, operator, values }) => {
      assert.equal(operator, "In", "this test only knows In");
      return values.includes(labels[key]);
    });
}
const selected = (selector) => workloads.filter((workload) => selects(selector, workload.spec.template.metadata.labels));

test("every manifest is valid, by name and by schema", () => {
  assert.ok(objects.length > 10);
  for (const object of objects) {
    assert.deepEqual(schemaFaults(object), []);
    assert.match(object.metadata.name, /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/);
    if (object.kind !== "Namespace") assert.equal(object.metadata.namespace, NAMESPACE, title(object));
  }
  assert.equal(new Set(objects.map(title)).size, objects.length, "no name twice");
});

test("the schema check sees what it should", () => {
  const broken = structuredClone(workloads[0]);
  containersOf(broken)[0].readinesProbe = {};
  assert.equal(schemaFaults(broken).length, 1, "an unknown field");
  broken.spec.replicas = "three";
  assert.match(schemaFaults(broken)[0], /replicas/, "a wrong type");
});

test("the kustomizations name every manifest, and every image", () => {
  const kustomizations = readKustomizations();
  const listed = kustomizations.flatMap(({ folder, object }) => (object.resources ?? []).map((name) => join(folder, name)));
  assert.deepEqual(listed.sort(), [...new Set(manifests.map(({ file }) => file))].sort());
  const components = kustomizations.filter(({ object }) => object.kind === "Component");
  assert.equal(components.length, 1);
  for (const { folder, object } of kustomizations)
    if (object.kind === "Kustomization")
      assert.deepEqual(object.components.map((name) => join(folder, name)), [components[0].folder]);
  const images = components[0].object.images.map(({ name }) => name).sort();
  assert.deepEqual([...new Set(allContainers().map(({ container }) => container.image))].sort(), images);
  const dockerfile = readFileSync(join(DEPLOY, "Dockerfile"), "utf8");
  const targets = [...dockerfile.matchAll(/^FROM \S+ AS (\S+)$/gm)].map(([, name]) => name);
  for (const image of images) assert.ok(targets.includes(image.replace(/^ordo-/, "")), `deploy/Dockerfile makes ${image}`);
});

test("selectors find their pods, and ports their names", () => {
  for (const workload of ofKind("StatefulSet", "Deployment"))
    assert.deepEqual(selected(workload.spec.selector), [workload], title(workload));
  for (const service of ofKind("Service")) {
    const [workload, ...more] = selected({ matchLabels: service.spec.selector });
    assert.ok(workload && more.length === 0, title(service));
    for (const { targetPort } of service.spec.ports) assert.ok(portNames(workload).includes(targetPort), title(service));
  }
  for (const set of ofKind("StatefulSet")) {
    const service = ofKind("Service").find(({ metadata }) => metadata.name === set.spec.serviceName);
    assert.equal(service?.spec.clusterIP, "None", `${title(set)} has a headless service`);
    assert.deepEqual(selected({ matchLabels: service.spec.selector }), [set]);
  }
  for (const budget of ofKind("PodDisruptionBudget")) assert.equal(selected(budget.spec.selector).length, 1, title(budget));
  for (const { workload, container } of allContainers())
    for (const probe of [container.readinessProbe, container.livenessProbe].filter(Boolean))
      assert.ok(portNames(workload).includes((probe.httpGet ?? probe.tcpSocket).port), title(workload));
});

test("what serves may lose one pod at a time, and keeps its volumes", () => {
  for (const workload of ofKind("StatefulSet", "Deployment")) {
    assert.equal(ofKind("PodDisruptionBudget").filter(({ spec }) => selected(spec.selector)[0] === workload).length, 1,
                 `${title(workload)} has one budget`);
    const claims = (workload.spec.volumeClaimTemplates ?? []).map(({ metadata }) => metadata);
    const known = [...(podSpec(workload).volumes ?? []), ...claims].map(({ name }) => name);
    for (const { volumeMounts = [] } of containersOf(workload))
      for (const { name } of volumeMounts) assert.ok(known.includes(name), `${title(workload)}: volume ${name}`);
  }
});

test("the network lets in those who have to talk, and nobody else", () => {
  const policies = ofKind("NetworkPolicy");
  const mayReach = (from, to, port) => policies.some(({ spec }) =>
    selects(spec.podSelector, to.spec.template.metadata.labels) && spec.ingress.some((rule) =>
      rule.ports.some((open) => open.port === port) &&
      rule.from.some(({ podSelector }) => podSelector && selects(podSelector, from.spec.template.metadata.labels))));
  const [etcd, shard, gateway, create] = ["etcd", "shard", "gateway", "create-cluster"].map((name) =>
    workloads.find(({ metadata }) => metadata.name === name));
  for (const [from, to, port] of [[shard, etcd, "client"], [gateway, etcd, "client"], [create, etcd, "client"],
                                  [etcd, etcd, "peer"], [gateway, shard, "data"], [gateway, shard, "side"],
                                  [shard, shard, "data"], [shard, shard, "side"]])
    assert.ok(mayReach(from, to, port), `${title(from)} may reach ${port} of ${title(to)}`);
  assert.ok(!mayReach(gateway, etcd, "peer") && !mayReach(create, shard, "data"));
  for (const { spec, ...policy } of policies) {
    const [workload, ...more] = selected(spec.podSelector);
    assert.ok(workload && more.length === 0, title(policy));
    for (const { port } of spec.ingress.flatMap(({ ports }) => ports)) assert.ok(portNames(workload).includes(port), title(policy));
  }
  for (const workload of ofKind("StatefulSet", "Deployment"))
    assert.ok(policies.some(({ spec }) => selected(spec.podSelector)[0] === workload), `${title(workload)} has a policy`);
});

test("no pod is root, or writes beside its volumes", () => {
  for (const { workload, container } of allContainers()) {
    const pod = podSpec(workload);
    assert.equal(pod.securityContext.runAsNonRoot, true, title(workload));
    assert.equal(pod.securityContext.seccompProfile.type, "RuntimeDefault");
    assert.equal(pod.automountServiceAccountToken, false);
    assert.deepEqual({ ...container.securityContext, capabilities: container.securityContext.capabilities.drop },
                     { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: ["ALL"] });
    assert.ok(container.resources.requests.cpu && container.resources.limits.memory, title(workload));
  }
});

const composeServices = Object.entries(readYaml(join(DEPLOY, "docker-compose.yml"))[0].services);
const commands = [
  ...allContainers().map(({ workload, container }) => [title(workload), container.command]),
  ...composeServices.filter(([, { command }]) => command).map(([name, { command }]) => [`docker-compose ${name}`, command]),
].filter(([, [program]]) => program.startsWith("ordo"));

test("our programs know the options that they are started with", async () => {
  assert.ok(commands.length >= 5);
  for (const [where, command] of commands) {
    const [program, ...words] = command.slice(0, command.findIndex((word) => word.startsWith("--")));
    const { code, stdout } = await run(program, [...words, "--help"]);
    assert.equal(code, 0, where);
    for (const name of command.filter((word) => word.startsWith("--")))
      assert.match(stdout, new RegExp(`^ +${name}\\b`, "m"), `${where}: ${program} knows ${name}`);
  }
});

test("everybody looks for the directory in the same place, where there is one", () => {
  const urls = new Set(commands.map(([where, command]) => {
    assert.ok(command.includes("--directory"), `${where} names the directory`);
    return command[command.indexOf("--directory") + 1];
  }));
  assert.equal(urls.size, 1);
  const [, host, port] = [...urls][0].match(/^etcd:http:\/\/([^:/]+):(\d+)\/\w+$/);
  const service = ofKind("Service").find(({ metadata }) => metadata.name === host);
  assert.ok(service?.spec.ports.some((open) => open.port === Number(port)), "a Service of Kubernetes");
  assert.ok(composeServices.some(([name]) => name === host), "a service of docker-compose");
});

test("the overlay for webhooks is the shard's command, and the two options", () => {
  const command = (file) => readYaml(join(DEPLOY, file))[0].services.shard.command;
  const plain = command("docker-compose.yml"), told = command("docker-compose.webhooks.yml");
  assert.deepEqual(told.slice(0, plain.length), plain);
  assert.deepEqual(told.slice(plain.length).filter((word) => word.startsWith("--")), ["--webhook", "--webhook-secret-file"]);
});
