/** When to choose a domain, by its id. */
export const domains: Record<string, string> = {
  "0732100f-1a38-4e49-a514-c9b44c697ab5": "For most photos. Choose this one if you are not sure.",
  "a1db07ca-a19a-4830-bae8-e004a42dc863":
    "Sees more detail than General (compact), and takes longer. For things that differ in small parts.",
  "8882951b-82cd-4c32-970b-d5f8cb8bf6d7": "For dishes, fruit and vegetables, as in a menu.",
  "b5cfd229-2ac7-4b2b-8d0a-2b0661344894": "For buildings and sights, natural or made by people.",
  "6b4faeda-8396-481b-9f8b-177b9fa3097f": "For clothes and goods, as in a catalogue or a shop.",
  "ee85a74c-405e-4adc-bb47-ffa8ca0c9f31": "For most photos, with a larger network than the compact ones.",
  "a8e3c40f-fb4a-466f-832a-5e457ae4a344":
    "Sees the most detail, and takes longest. For hard questions, such as breeds or faults of parts.",
  "2e37d7fb-3a54-486a-b4d6-cfc369af0018": "The fastest to train and to ask, for most photos.",
  "c151d5b5-dd07-472a-acc8-15d29dea8518": "For dishes, fruit and vegetables, with a larger network.",
  "ca455789-012d-4b50-9fec-5bb63841c793": "For buildings and sights, with a larger network.",
  "b30a91ae-e3c1-4f73-a81e-c270bff27c39": "For clothes and goods in a shop, with a larger network.",
  "a27d5ca5-bb19-49d8-a70a-fec086c47f5b": "For most things. Choose this one if you are not sure.",
  "7ec2ac80-887b-48a6-8df9-8b1357765430": "For most things, and finds smaller ones than General (compact).",
  "da2e3a8a-40a5-4171-82f4-58522f70fbc1": "For most things, with a larger network than the compact ones.",
  "9c616dff-2e7d-ea11-af59-1866da359ce6":
    "For small things and many tags. A training takes three times as long.",
  "1d8ffafe-ec40-4fb2-8f90-72b3b6cecea4": "For logos of brands: seen aslant, in any colour, never mirrored.",
  "3780a898-81c3-4516-81ae-3a139614e1f3": "For many small packs close together, as on the shelves of a shop.",
};
