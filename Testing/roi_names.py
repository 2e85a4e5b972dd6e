"""ROI names as they are found in planning systems, with what they mean. Collected from public data sets' spellings, vendors'
defaults and departments' habits in seven languages; None is a name that must not be mapped without a person's word."""

MEANINGS = {
    "Bladder": "Bladder|BLADDER|bladder|Bladder_|Urinary Bladder|urinary_bladder|Blad|Vejiga|VEJIGA|vejiga urinaria|Blase|"
    "Harnblase|BLASE|Vessie|vessie|Vescica|VESCICA|vescica urinaria|Blaas|blaas|Pęcherz|pecherz moczowy|Pęcherz moczowy",
    "Bladder_Wall": "Bladder_Wall|BladderWall|bladder wall|Blasenwand|Paroi vésicale|Blaaswand|Pared vesical",
    "Rectum": "Rectum|RECTUM|rectum|Rect|Recto|RECTO|Rektum|REKTUM|Enddarm|Retto|Odbytnica|odbytnica|Endeldarm|Rectum ",
    "Rectal_Wall": "Rectal_Wall|RectalWall|Rectum Wall|Rektumwand|Paroi rectale",
    "Canal_Anal": "Canal_Anal|Anal Canal|AnalCanal|Canal anal|Analkanal|Canale anale",
    "Prostate": "Prostate|PROSTATE|Prostata|PROSTATA|Próstata|PRÓSTATA|próstata|Prostaat|Prostate gland|Stercz|"
    "Gruczoł krokowy|Vorsteherdrüse",
    "SeminalVes": "SeminalVes|Seminal Vesicles|SV|sv|SeminalVesicle|Vesículas seminales|Samenblasen|Samenblase|"
    "Vésicules séminales|Vescicole seminali|Zaadblaasjes|Pęcherzyki nasienne",
    "PenileBulb": "PenileBulb|Penile Bulb|Penile_Bulb|Bulbo peneano|Bulbus penis|Bulbe pénien|Opuszka prącia",
    "Femur_Head_L": "Femur_Head_L|FemoralHead_L|Femoral Head Lt|Femoral Head L|Femoral_Head_L|Lt Femoral Head|L Femoral Head|"
    "LT FEMORAL HEAD|Left Femoral Head|FemHead_L|Fem Head Lt|FemHeadL|FemurHead_L|Femur Head Left|Head of femur left|"
    "Cabeza femoral izq|Cabeza femoral izquierda|CABEZA FEMORAL IZQUIERDA|Cabeza fémur izq.|Cab femoral izq|Hüftkopf li|"
    "Hüftkopf links|Hueftkopf_li|HÜFTKOPF LI|Hüftkopf li.|linker Hüftkopf|Femurkopf links|Femurkopf li|Tête fémorale gauche|"
    "Tete femorale G|Tête fémorale G|Testa femorale sinistra|Testa femore sx|TESTA FEMORE SX|Femurkop links|Heupkop L|"
    "Głowa kości udowej lewa|Glowa k. udowej L|Glowa kosci udowej lewej|Caput femoris sin|Caput femoris L",
    "Femur_Head_R": "Femur_Head_R|FemoralHead_R|Femoral Head RT|Femoral Head Rt|Femoral_Head_R|Rt Femoral Head|R Femoral Head|"
    "RT FEMORAL HEAD|Right Femoral Head|FemHead_R|Fem Head Rt|FemHeadR|Femur Head Right|Cabeza femoral der|"
    "Cabeza femoral dcha|Cabeza femoral derecha|Cabeza fémur der.|Cab femoral dcha|Hüftkopf re|Hüftkopf rechts|Hueftkopf_re|"
    "rechter Hüftkopf|Femurkopf rechts|Tête fémorale droite|Tete femorale D|Testa femorale destra|Testa femore dx|"
    "Femurkop rechts|Głowa kości udowej prawa|Glowa kosci udowej prawej|Caput femoris dext",
    "Femur_L": "Femur_L|Femur Lt|Lt Femur|Left Femur|Femur links|Fémur gauche|Femore sx|Fémur izquierdo|Kość udowa lewa",
    "Femur_R": "Femur_R|Rt Femur|Femur rechts|Fémur droit|Femore destro|Fémur derecho|Kość udowa prawa",
    "Femurs": "Femurs|Both Femurs|Femora|Fémures",
    "Sacrum": "Sacrum|SACRUM|Kreuzbein|Sacro|Kość krzyżowa",
    "Bowel": "Bowel|BOWEL|Intestine|Darm|Intestino|Intestin|Jelita",
    "Bowel_Small": "Bowel_Small|Small Bowel|SmallBowel|Small_Bowel|small intestine|Dünndarm|Duenndarm|Intestino delgado|"
    "Intestin grêle|Grêle|Intestino tenue|Dunne darm|Jelito cienkie",
    "Bowel_Large": "Bowel_Large|Large Bowel|Dickdarm|Intestino grueso|Gros intestin|Jelito grube",
    "Bag_Bowel": "Bag_Bowel|Bowel Bag|BowelBag|Bowel_Bag|Darmsack",
    "Colon_Sigmoid": "Colon_Sigmoid|Sigmoid|Sigmoid Colon|Sigma|Sigmoide|Esica",
    "Liver": "Liver|LIVER|Hígado|Leber|Foie|Fegato|Lever|Wątroba",
    "Spleen": "Spleen|Bazo|Milz|Rate|Milza|Milt|Śledziona",
    "Pancreas": "Pancreas|Páncreas|Pankreas|Bauchspeicheldrüse|Trzustka|Alvleesklier",
    "Stomach": "Stomach|Estómago|Magen|Estomac|Stomaco|Maag|Żołądek",
    "Duodenum": "Duodenum|Duodeno|Zwölffingerdarm|Dwunastnica|Duodénum",
    "Gallbladder": "Gallbladder|Gall Bladder|Gallenblase|Vesícula biliar|Vésicule biliaire|Pęcherzyk żółciowy|Galblaas",
    "Kidney_L": "Kidney_L|Kidney L|Kidney Lt|Lt Kidney|LtKidney|L Kidney|LKidney|Left Kidney|KIDNEY_LEFT|kidney_left|Kidney-L|"
    "Riñón izquierdo|Riñón izq|RIÑON IZQ|Niere links|Niere li|Niere li.|linke Niere|Rein gauche|Rein G|"
    "Rene sinistro|Rene sx|Nier links|Linker nier|Nerka lewa|Nerka L|Ren sin",
    "Kidney_R": "Kidney_R|Kidney R|Kidney Rt|Rt Kidney|RtKidney|R Kidney|RKidney|Right Kidney|KIDNEY_RIGHT|kidney_right|"
    "Riñón derecho|Riñón dcho|Riñon der|Niere rechts|Niere re|rechte Niere|Rein droit|Rein D|Rene destro|Rene dx|"
    "Nier rechts|Nerka prawa|Ren dext",
    "Kidneys": "Kidneys|Both Kidneys|Nieren|Riñones|Reins|Reni|Nerki|Niere bds",
    "Glnd_Adrenal_L": "Glnd_Adrenal_L|Adrenal Lt|Left adrenal gland|Nebenniere links|Surrénale gauche",
    "A_Aorta": "A_Aorta|Aorta|AORTA|Aorte",
    "V_Venacava_I": "V_Venacava_I|IVC|Inferior Vena Cava|Vena cava inferior",
    "Lung_L": "Lung_L|Lung L|Lung Lt|Lt Lung|LtLung|Lt_Lung|L Lung|Left Lung|LUNG_LEFT|lung_left|Lung-Left|Lung, Left|"
    "Pulmón izquierdo|Pulmon izq|Lunge links|Lunge li|linke Lunge|Lungenflügel links|Poumon gauche|Poumon G|"
    "Polmone sinistro|Polmone sx|Long links|Linker long|Płuco lewe|Pluco L|Płuco L",
    "Lung_R": "Lung_R|Lung R|Lung Rt|Rt Lung|RtLung|R_Lung|Right Lung|LUNG_RIGHT|lung_right|Pulmón derecho|Pulmon dcho|"
    "Lunge rechts|Lunge re|Poumon droit|Poumon D|Polmone destro|Polmone dx|Long rechts|Płuco prawe|Pluco R|Pluco P|Płuco P",
    "Lungs": "Lungs|Both Lungs|Lungs_Total|Total Lung|Lungen|Pulmones|Poumons|Polmoni|Płuca|Lunge bds|Lung_Both|Longen",
    "Heart": "Heart|HEART|Corazón|Herz|Coeur|Cœur|Cuore|Hart|Serce",
    "Esophagus": "Esophagus|Oesophagus|ESOPHAGUS|Esófago|Ösophagus|Oesophage|Œsophage|Esofago|Slokdarm|Przełyk|Speiseröhre|"
    "Esoph",
    "Trachea": "Trachea|Tráquea|Luftröhre|Trachée|Luchtpijp|Tchawica",
    "Breast_L": "Breast_L|Left Breast|Lt Breast|Mama izquierda|Mamma links|Brust links|Sein gauche|Mammella sinistra|"
    "Borst links|Pierś lewa",
    "Breast_R": "Breast_R|Right Breast|Mama derecha|Mamma re|Sein droit|Sein D|Borst rechts|Pierś prawa",
    "A_LAD": "A_LAD|LAD|lad|RIVA",
    "SpinalCord": "SpinalCord|Spinal Cord|SPINAL_CORD|spinal_cord|Cord|Spinal_Cord|Médula|Médula espinal|MEDULA|Rückenmark|"
    "Rueckenmark|Myelon|Moelle|Moelle épinière|Midollo|Midollo spinale|Ruggenmerg|Rdzeń|Rdzeń kręgowy",
    "SpinalCanal": "SpinalCanal|Spinal Canal|Spinal_Canal|Canal medular|Spinalkanal|Canal médullaire|Canale midollare|"
    "Wervelkanaal|Kanał kręgowy",
    "BrachialPlex_L": "BrachialPlex_L|Brachial Plexus L|Lt Brachial Plexus|Plexus brachialis links|Plexo braquial izq",
    "Brain": "Brain|BRAIN|Cerebro|Gehirn|Hirn|Cerveau|Encefalo|Encéphale|Hersenen|Mózg|Whole Brain",
    "Brainstem": "Brainstem|BrainStem|Brain Stem|Brain_Stem|brainstem|Tronco|Tronco encefálico|Hirnstamm|Tronc cérébral|"
    "Tronco encefalico|Hersenstam|Pień mózgu",
    "Cerebellum": "Cerebellum|Cerebelo|Kleinhirn|Cervelet|Cervelletto|Móżdżek",
    "Pituitary": "Pituitary|Pituitary Gland|Hypophysis|Hipófisis|Hypophyse|Ipofisi|Przysadka",
    "OpticChiasm": "OpticChiasm|Optic Chiasm|Optic_Chiasm|Chiasm|Chiasma|Quiasma|Quiasma óptico|Chiasma opticum|"
    "Chiasma optique|Chiasma ottico|Skrzyżowanie wzrokowe",
    "OpticNrv_L": "OpticNrv_L|Optic Nerve L|Optic Nerve Lt|Lt Optic Nerve|L Optic Nerve|Optic_Nerve_L|OpticNerve_L|"
    "Nervio óptico izquierdo|Nervio optico izq|Sehnerv links|Sehnerv li|N. opticus li|Nerf optique gauche|Nerf optique G|"
    "Nervo ottico sx|Oogzenuw links|Nerw wzrokowy lewy",
    "OpticNrv_R": "OpticNrv_R|Optic Nerve R|Optic Nerve Rt|Rt Optic Nerve|OpticNerve_R|Nervio óptico derecho|"
    "Nervio optico der|Sehnerv rechts|Sehnerv re|N. opticus re|Nerf optique droit|Nerf optique D|Nervo ottico dx|"
    "Nerw wzrokowy prawy",
    "Eye_L": "Eye_L|Eye L|Lt Eye|Left Eye|Eyeball_L|Ojo izquierdo|Ojo izq|Auge links|Auge li|Œil gauche|Oeil G|Occhio sx|"
    "Oog links|Oko lewe|Bulbus li",
    "Eye_R": "Eye_R|Eye Rt|Right Eye|Ojo derecho|Auge rechts|Auge re|Oeil droit|Oeil D|Occhio destro|Oog rechts|Oko prawe",
    "Eyes": "Eyes|Augen|Both eyes|Ojos|Yeux",
    "Lens_L": "Lens_L|Lens L|Lt Lens|Left Lens|Cristalino izq|Linse links|Linse li|Cristallin gauche|Cristallin G|"
    "Cristallino sx|Lens links|Soczewka lewa|Soczewka L",
    "Lens_R": "Lens_R|Rt Lens|Right Lens|Cristalino der|Linse rechts|Linse re|Cristallin droit|Cristallin D|Cristallino dx|"
    "Lens rechts|Soczewka prawa",
    "Lens": "Lens|LENS",
    "Cochlea_L": "Cochlea_L|Cochlea Lt|Left Cochlea|Cochlea links|Cochlée gauche|Cóclea izquierda|Ślimak lewy",
    "Cochlea_R": "Cochlea_R|Rt Cochlea|Cochlea re|Cochlée droite|Cóclea derecha|Ślimak prawy",
    "Hippocampus_L": "Hippocampus_L|Hippocampus left|Hippocampe gauche|Hipocampo izquierdo|Ippocampo sx",
    "Parotid_L": "Parotid_L|Parotid L|Parotid Lt|Lt Parotid|Left Parotid|Parotid_Left|Parotid Gland L|Parótida izquierda|"
    "Parotida izq|Parotis links|Parotis li|Parotide gauche|Parotide G|Parotide sx|Parotide sinistra|Ślinianka przyuszna lewa|"
    "Glandula parotis li|ParotidL",
    "Parotid_R": "Parotid_R|Parotid Rt|Right Parotid|RT PAROTID|Parótida derecha|Parotida dcha|Parotis rechts|Parotis re|"
    "Parotide droite|Parotide D|Parotide dx|Parotide destra|Ślinianka przyuszna prawa",
    "Glnd_Submand_L": "Glnd_Submand_L|Submandibular L|Submandibular Gland Lt|Lt Submandibular|SMG_L|Submandibularis li|"
    "Sous-maxillaire gauche|Submaxilar izquierda|Sottomandibolare sx|Ślinianka podżuchwowa lewa",
    "Cavity_Oral": "Cavity_Oral|Oral Cavity|OralCavity|Oral_Cavity|Cavidad oral|Mundhöhle|Cavité buccale|Cavo orale|"
    "Mondholte|Jama ustna",
    "Larynx": "Larynx|LARYNX|Laringe|Kehlkopf|Krtań|Strottenhoofd",
    "Musc_Constrict": "Musc_Constrict|Pharyngeal Constrictors|Constrictors|Constrictores|Constricteurs|PCM",
    "Bone_Mandible": "Bone_Mandible|Mandible|MANDIBLE|Mandíbula|Unterkiefer|Mandibule|Mandibola|Onderkaak|Żuchwa|Mandibula",
    "Glnd_Thyroid": "Glnd_Thyroid|Thyroid|Thyroid Gland|Tiroides|Schilddrüse|Thyroïde|Tiroide|Schildklier|Tarczyca",
    "Skin": "Skin|Piel|Haut|Peau|Huid|Skóra",
    "Body": "Body|BODY|body|Patient|PATIENT|Körper|Patient Outline|Ciało|Lichaam",
    "External": "External|EXTERNAL|external|Contorno externo|Außenkontur|Aussenkontur|AUSSENKONTUR|Contour externe|"
    "Contorno esterno|Ext|Outline|Buitencontour",
    "Cochlea": "Cochlea",
    "Scar": "Scar",
    "Edema": "Edema|Ödem",
    "LN_Pelvics": "LN_Pelvics|Pelvic nodes",
    "A_Femoral_L": "Femoral artery L|A. femoralis L",
    "Acetabulum_L": "Hüftpfanne li",
    "GTV": "GTV|gtv|GTV CT|GTV_MR|GTV PET",
    "GTVp": "GTVp|GTV_Mass|GTV_Mass_CT|GTV_Mass_MR_T1|GTV_Mass_MR_T2|GTV_Mass_PET|GTV primary|GTV Tumor|GTV_p",
    "GTVn": "GTVn|GTV_n|GTV nodes|GTV LN",
    "CTV": "CTV|ctv|CTV_CT",
    "CTVn": "CTVn|CTV nodes",
    "ITV": "ITV",
    "PTV": "PTV|ptv",
    "PTVp": "PTVp",
    "PTVn": "PTVn|PTV_LN",
    "TumorBed": "TumorBed|Tumor Bed|Tumour Bed|Lumpectomy Cavity|Tumorbett|Lit tumoral",
}

NOT_MAPPED = (
    # planning helpers
    "z_ring|z_Ring 2cm|z_anillo|zRing|zz_opt|zPTV_opt|Ring|PTV ring|Ring_PTV|Dose 5200[cGy]|Dose 5700[cGy]|Dose 95[%]|95%|"
    "Isodose 50Gy|50% isodose|V95|D95|Couch|CouchSurface|CouchInterior|Couch Structure|Tisch|Mesa|Table|Isocentre|"
    "Isocenter|ISO|Isozentrum|Isocentro|POI|Ref Point|REF|Norm Point|BB|Marker|Markers|Fiducials|Gold seeds|Clips|Bolus|"
    "Artifact|Contrast|Dummy|Test|Overlap|Avoid|Avoid_Rectum|opt_PTV|PTV_opt|Hilfskontur|PTV+5mm|Prostate+7mm|Rectum +3 mm|"
    "Bladder-PTV|Vejiga-PTV|Rectum-PTV|PTV-Rectum|PTV minus bladder|Rectum in PTV|Bladder not PTV|Body-PTV|Lungs-GTV|"
    "Lungs-PTV|Lung-ITV|Brain-GTV|Liver-GTV|Rectum sin PTV|SpinalCord_PRV|SpinalCord_PRV05|Cord PRV|PRV Cord|Brainstem PRV 3mm|"
    "OpticNrv_PRV_L|Rectum expanded|_temp|~Bladder|Skin Rind|Hot spot|couch_1|Baseplate|Mask|GTV-ITV|PTV-CTV|PTV-GTV|"
    # a side is missing, contradictory or not told
    "Kidney|KIDNEY|Niere|Riñón|Rein|Nerka|Lung|Lunge|Pulmón|Femoral Head|FemoralHead|Femoral Heads|Hüftkopf|Hüftköpfe|"
    "Cabeza femoral|Eye|Auge|Parotid|Parotis|Parotid gland|Optic Nerve|OpticNerve|Breast|Mama|Hippocampus|Femur|"
    "Left Kidney R|Kidney L R|Lt Lung Right|Lung links rechts|Contralateral Parotid|Ipsilateral Lung|Parotid contra|"
    "Ipsi Breast|Lung ipsi|Femoral Head 1|Femoral Head 2|Kidney 1|Kopf der Niere|Contralat Lung L|"
    "Submandibular g|Parotid g|Lung d|Kidney re|Pulmón sin|Riñón sin|Kidney g|Parotid der|cochlear|"
    # several of a kind, or not told which
    "GTV-1|GTV1|GTV_2|PTV_6000|PTV 70|PTV 60 Gy|PTV_High|PTV_Low|PTV60|CTV_Prostate|CTV Prostata|PTV Breast L|CTV1|"
    "CTV_High|PTV boost|PTV_Total|GTV_Edema|GTV_oedema|"
    # unknown
    "Areola|Borders|Nodes|Tumor Bed Block|Big|BigH_SmallV|Circle|Small|Star|ROI-1|ROI-2|Structure1|NewStructure|XYZ|"
    "A|1|Unnamed|Kontur 1|Estructura|Recto sigma|Kidney transplant L|Rectum left|Left Rectum|Prostate R|"
    "Liver left lobe|Leber links|Bladder L|Heart left|Left Bowel|Blasenhals|Nebenhoden li|Lungenmetastase|"
    "Herz Stent|Rectal spacer|SpaceOAR|Spacer|Hydrogel|Stomach_duo|Neck"
)  # fmt: skip


def expected() -> dict[str, str | None]:
    """ROI name -> TG-263 name, or None where nothing may be used without approval."""
    names: dict[str, str | None] = {roi: meaning for meaning, rois in MEANINGS.items() for roi in rois.split("|")}
    names |= {roi: None for roi in NOT_MAPPED.split("|")}
    return names
