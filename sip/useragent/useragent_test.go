package useragent

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// agents are User-Agent and Server texts as equipment sends them, and vendor|model|firmware|kind.
var agents = map[string]string{
	"Yealink SIP-T46S 66.85.0.5":                                  "yealink|T46S|66.85.0.5|phone",
	"Yealink SIP-T42G 29.83.0.50":                                 "yealink|T42G|29.83.0.50|phone",
	"Yealink W60B 77.85.0.25":                                     "yealink|W60B|77.85.0.25|phone",
	"Yealink SIP VP-T49G 51.80.0.100":                             "yealink|T49G|51.80.0.100|phone",
	"Yealink SIP-T54W 96.86.0.70 805ec0aabbcc":                    "yealink|T54W|96.86.0.70|phone",
	"PolycomVVX-VVX_410-UA/5.9.0.9373":                            "polycom|410|5.9.0.9373|phone",
	"PolycomVVX-VVX_250-UA/6.4.3.5412_64167f0011aa":               "polycom|250|6.4.3.5412|phone",
	"PolycomSoundPointIP-SPIP_550-UA/4.0.9.0725":                  "polycom|550|4.0.9.0725|phone",
	"PolycomSoundStationIP-SSIP_6000-UA/4.0.14.1580":              "polycom|6000|4.0.14.1580|phone",
	"PolycomRealPresenceTrio-Trio_8800-UA/5.9.5.3182":             "polycom|8800|5.9.5.3182|phone",
	"PolyEdge-Edge_E350-UA/8.1.0.9780":                            "poly|E350|8.1.0.9780|phone",
	"Cisco-CP7841/12.8.1":                                         "cisco|7841|12.8.1|phone",
	"Cisco-CP-8851-3PCC/11.3.7_aabbccddeeff":                      "cisco|8851|11.3.7|phone",
	"Cisco/SPA504G-7.6.2c":                                        "cisco|504G|7.6.2|phone",
	"Cisco/SPA122-1.4.1":                                          "cisco|122|1.4.1|ata",
	"Cisco/ATA191-11.2.3":                                         "cisco|191|11.2.3|ata",
	"Cisco-SIPGateway/IOS-15.4.3.M3":                              "cisco|ios|15.4.3|gateway",
	"Cisco-SIPGateway/IOS-16.9.4":                                 "cisco|ios|16.9.4|gateway",
	"Cisco-CUCM12.5":                                              "cisco|cucm|12.5|pbx",
	"Linksys/SPA942-6.1.5(a)":                                     "linksys|942|6.1.5|phone",
	"Linksys/PAP2T-5.1.6(LS)":                                     "linksys|2T|5.1.6|ata",
	"Grandstream GXP2170 1.0.11.48":                               "grandstream|2170|1.0.11.48|phone",
	"Grandstream GRP2614 1.0.5.67":                                "grandstream|2614|1.0.5.67|phone",
	"Grandstream HT802 1.0.29.8":                                  "grandstream|802|1.0.29.8|ata",
	"Grandstream HT-502  V1.2A 1.0.0.58":                          "grandstream|502|1.0.0.58|ata",
	"Grandstream UCM6202V1.5A 1.0.20.31":                          "grandstream|6202|1.0.20.31|pbx",
	"Grandstream DP750 1.0.9.9":                                   "grandstream|750|1.0.9.9|phone",
	"snom370/8.7.5.35":                                            "snom|370|8.7.5.35|phone",
	"snomD785/10.1.73.16":                                         "snom|D785|10.1.73.16|phone",
	"Fanvil X4 2.12.1.7084 0c383e112233":                          "fanvil|X4|2.12.1.7084|phone",
	"Fanvil X6U 2.4.5":                                            "fanvil|X6U|2.4.5|phone",
	"Panasonic_KX-UT136-B/01.061 (0080f0aabbcc)":                  "panasonic|KX-UT136-B|01.061|phone",
	"Panasonic-MPR08D/BTP-1.2.3":                                  "panasonic|MPR08D|1.2.3|phone",
	"Panasonic KX-TGP600 01.010":                                  "panasonic|KX-TGP600|01.010|phone",
	"Gigaset N510 IP PRO/42.250.00.000.000":                       "gigaset|N510|42.250|phone",
	"Gigaset C610A IP/42.207.00.000.000":                          "gigaset|C610A|42.207|phone",
	"Avaya one-X Deskphone 7.1.9.0":                               "avaya|||phone",
	"Avaya J179 IP Phone/4.0.7.1 (3c3a73aabbcc)":                  "avaya|179||phone",
	"Avaya CM/R018x.01.0.890.0":                                   "avaya|cm|01.0|pbx",
	"Aastra 6757i/3.3.1.4365":                                     "aastra|6757I|3.3.1.4365|phone",
	"Mitel-3300-ICP 15.0.1.27":                                    "mitel|3300||pbx",
	"Mitel 6869i/5.1.0.1024":                                      "mitel|6869I|5.1.0.1024|phone",
	"OpenStage_40_V3 R3.32.0      SIP  130829":                    "unify|40|3.32.0|phone",
	"Audiocodes-Sip-Gateway-Mediant 1000/v.6.60A.254.004":         "audiocodes|mediant|6.60|sbc",
	"Audiocodes-Sip-Gateway-MP-118 FXS/v.6.60A.228.011":           "audiocodes|118|6.60|gateway",
	"Mediant VE SBC/v.7.20A.258.559":                              "audiocodes|mediant|7.20|sbc",
	"SBC Core V11.01.00R001":                                      "ribbon|sbc-core|11.01.00|sbc",
	"Sonus SBC 5.1.3":                                             "ribbon|sbc|5.1.3|sbc",
	"Oracle/9.2.0":                                                "oracle|sbc|9.2.0|sbc",
	"kamailio (5.6.3 (x86_64/linux))":                             "kamailio|kamailio|5.6.3|sbc",
	"OpenSIPS (3.2.10 (x86_64/linux))":                            "opensips|opensips|3.2.10|sbc",
	"Asterisk PBX 18.10.0~dfsg+~cs6.10.40431411-2":                "asterisk|asterisk|18.10.0|pbx",
	"Asterisk PBX":                                                "asterisk|asterisk||pbx",
	"Asterisk at 203.0.113.9":                                     "asterisk|asterisk||pbx",
	"FreeSWITCH-mod_sofia/1.10.12-release~64bit":                  "freeswitch|freeswitch|1.10.12|pbx",
	"FPBX-16.0.40.7(18.16.0)":                                     "freepbx|freepbx|18.16.0|pbx",
	"3CXPhoneSystem 18.0.5.418 (418)":                             "3cx|phone-system|18.0.5|pbx",
	"3CXPhone 6.0.26523.0":                                        "3cx|phone|6.0|softphone",
	"Zoiper rv2.10.20.4-mod":                                      "zoiper|zoiper|2.10.20.4|softphone",
	"Z 5.5.9 rv2.10.17.3":                                         "zoiper|zoiper|2.10.17.3|softphone",
	"LinphoneAndroid/5.2.4 (Somebody's Pixel) LinphoneSDK/5.3.26": "linphone|android|5.2.4|softphone",
	"Linphone-Desktop/5.1.2 (host) osx/13.0 Qt/5.15.2":            "linphone|desktop|5.1.2|softphone",
	"Linphone/3.6.1 (eXosip2/4.1.0)":                              "linphone|linphone|3.6.1|softphone",
	"baresip v3.1.0 (x86_64/linux)":                               "baresip|baresip|3.1.0|softphone",
	"MicroSIP/3.21.3":                                             "microsip|microsip|3.21.3|softphone",
	"Bria 5 release 5.8.3 stamp 103310":                           "counterpath|bria|5.8.3|softphone",
	"X-Lite release 4.9.8 stamp 84253":                            "counterpath|x-lite|4.9.8|softphone",
	"eyeBeam release 1102q stamp 51814":                           "counterpath|eyebeam||softphone",
	"Jitsi2.10.5550Linux":                                         "jitsi|jitsi|2.10|softphone",
	"SIP.js/0.21.2":                                               "sipjs|sipjs|0.21.2|softphone",
	"JsSIP 3.10.0":                                                "jssip|jssip|3.10.0|softphone",
	"PJSUA v2.13 Linux-5.10/x86_64/glibc-2.31":                    "pjsip|pjsua|2.13|softphone",
	"OBIHAI/OBi202-3.2.2.8680EX":                                  "obihai|202|3.2.2.8680|ata",
	"friendly-scanner":                                            "sipvicious|||scanner",
	"FRIENDLY-SCANNER":                                            "sipvicious|||scanner",
	"sipcli/v1.8":                                                 "sipcli||1.8|scanner",
	"sundayddr":                                                   "sundayddr|||scanner",
	"VaxSIPUserAgent/3.1":                                         "vaxvoip||3.1|scanner",
	"Sipsak 0.9.8":                                                "sipsak||0.9.8|scanner",
	"":                                                            "other|||unknown",
	"Alice Example's phone +13035550142":                          "other|||unknown",
	"Yealink alice 13035550142":                                   "yealink|other||phone",
	"Fanvil 13035550142 1.2.3":                                    "fanvil|other||phone",
}

// more are texts of the field that the table was widened to, and vendor|model|firmware|kind.
var more = map[string]string{
	"PolycomCCX-CCX_500-UA/7.1.2.1":                     "polycom|500|7.1.2.1|phone",
	"PolyTrio-Trio_C60-UA/7.2.2.1094":                   "poly|C60|7.2.2.1094|phone",
	"CSCO/7":                                            "cisco|||phone",
	"Cisco/SPA232D-1.4.1(SR5)":                          "cisco|232D|1.4.1|ata",
	"Cisco/SPA525G2-7.6.2e":                             "cisco|525G2|7.6.2|phone",
	"Cisco-CP-7841-3PCC/12.0.4_c4b36a000001":            "cisco|7841|12.0.4|phone",
	"Cisco-CSF/14.1":                                    "cisco|jabber|14.1|softphone",
	"Linksys/SPA2102-5.2.13(004)":                       "linksys|2102|5.2.13|ata",
	"Sipura/SPA2000-2.0.13(g)":                          "sipura|2000|2.0.13|ata",
	"Grandstream BT101 1.0.8.33":                        "grandstream|101|1.0.8.33|phone",
	"Grandstream Wave 1.0.3.34":                         "grandstream|wave||softphone",
	"Grandstream GXW4108 1.0.1.7":                       "grandstream|4108|1.0.1.7|gateway",
	"snom-m9/9.6.2-a":                                   "snom|9|9.6.2|phone",
	"Htek UC923 V2.0.4.4.34":                            "htek|923|2.0.4.4.34|phone",
	"Digium D60 2.9.18":                                 "digium|60|2.9.18|phone",
	"Avaya one-X Communicator/6.2":                      "avaya|communicator|6.2|softphone",
	"IP Office 11.0.4.2.0 build 58":                     "avaya|ip-office|11.0.4.2.0|pbx",
	"AUDC-IPPhone/3.4.6.604 (450HD-Rev0; 00908F000001)": "audiocodes||3.4.6.604|phone",
	"AVM FRITZ!Box 7590 154.07.57 (Jan 10 2023)":        "avm|7590|07.57|ata",
	"AVM FRITZ!Box Fon WLAN 7170 29.04.87":              "avm|7170|29.04.87|ata",
	"Mediatrix 4102 v1.1.8.72":                          "mediatrix|4102|1.1.8.72|gateway",
	"Patton SN4112 JO EUI 00A0BA000001 R6.9":            "patton|4112|6.9|gateway",
	"ADTRAN_Total_Access_908e_2nd_Gen/R10.9.3.E":        "adtran|908E|10.9.3|gateway",
	"Microsoft.PSTNHub.SIPProxy v.2024.2.5.1 i.EUWE.6":  "microsoft|teams|2024.2|gateway",
	"Sipwise NGCP Proxy 2.X":                            "sipwise|ngcp||sbc",
	"Sip EXpress router (0.9.6 (i386/linux))":           "ser|ser|0.9.6|sbc",
	"FusionPBX":                             "fusionpbx|fusionpbx||pbx",
	"YATE/6.1.0":                            "yate|yate|6.1.0|pbx",
	"PJSUA2 v2.12 win32-6.2":                "pjsip|pjsua|2.12|softphone",
	"IM-client/OMA1.0 sipML5-v1.2016.03.04": "sipml5|sipml5|2016.03|softphone",
	"PhonerLite 2.94":                       "phoner|phonerlite|2.94|softphone",
	"Twinkle/1.10.2":                        "twinkle|twinkle|1.10.2|softphone",
	"CSipSimple_klte-21/r2457":              "csipsimple|csipsimple||softphone",
	"Cloud Softphone/5.9.1 (Android)":       "acrobits|cloud-softphone|5.9.1|softphone",
	"iOS/17.1.2 iPhone":                     "apple|iphone|17.1.2|phone",
	"friendly-request":                      "sipvicious|||scanner",
	"sipscan":                               "sipscan|||scanner",
	"SIVuS VoIP Security Scanner":           "sivus|||scanner",
	"SIPp":                                  "sipp|sipp||scanner",
	"masscan/1.3":                           "masscan||1.3|scanner",
}

func TestDevicesOfTheFieldAreNamedByTheirText(t *testing.T) {
	for text, want := range more {
		d := Read([]byte(text))
		if got := strings.Join([]string{d.Vendor, d.Model, d.Firmware, d.Kind}, "|"); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

func TestTheTableOfDevicesIsWellFormed(t *testing.T) {
	kinds := []string{"phone", "softphone", "ata", "pbx", "gateway", "sbc", "scanner"}
	seen := map[string]bool{}
	for line := range lines(devicesText) {
		f := strings.Split(line, "\t")
		if len(f) < 4 || len(f) > 5 || f[0] != strings.ToLower(f[0]) || f[1] == "" || f[2] == "" || !slices.Contains(kinds, f[3]) {
			t.Errorf("%q: want a beginning in lower case, a vendor, a model and a kind", line)
			continue
		}
		if seen[f[0]] {
			t.Errorf("%q stands twice", f[0])
		}
		seen[f[0]] = true
	}
	for vendor, list := range models.of {
		for model := range list {
			if got, _ := modelIn(vendor, []byte(model)); got != model {
				t.Errorf("%s %s is read as %q", vendor, model, got)
			}
		}
	}
}

func TestInstancesMayNameAHardwareAddress(t *testing.T) {
	for id, want := range map[string]string{
		"urn:uuid:00000000-0000-1000-8000-0004F2AABBCC": "0004f2aabbcc", "URN:UUID:00000000-0000-0000-0000-001122334455": "001122334455",
		"urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6": "00a0c91e6bf6", "urn:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6bf6": "",
		"urn:uuid:f81d4fae-7dec-11d0-a765-01a0c91e6bf6": "", "urn:uuid:00000000-0000-0000-0000-000000000000": "",
		"urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bfx": "", "urn:gsma:imei:90420156-025763-0": "", "": "",
	} {
		mac, ok := InstanceMAC([]byte(id))
		if got := fmt.Sprintf("%x", mac[:]); ok != (want != "") || ok && got != want {
			t.Errorf("%s: got = %s, %t, want %s", id, got, ok, want)
		}
	}
}

func TestDevicesAreNamedByTheirText(t *testing.T) {
	for text, want := range agents {
		d := Read([]byte(text))
		if got := strings.Join([]string{d.Vendor, d.Model, d.Firmware, d.Kind}, "|"); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
		if d.Scanner != (d.Kind == "scanner") {
			t.Errorf("%s: scanner = %t", text, d.Scanner)
		}
	}
}

func TestFamilyStopsAtTheMajorVersion(t *testing.T) {
	if got, want := Read([]byte("Yealink SIP-T46S 66.85.0.5")).Family, "yealink T46S 66"; got != want {
		t.Errorf("family = %q, want %q", got, want)
	}
}

// TestFamiliesAreThoseOfTheReference works out the family of every text of the tests from its other facts.
func TestFamiliesAreThoseOfTheReference(t *testing.T) {
	for text := range agents {
		d := Read([]byte(text))
		major, _, _ := strings.Cut(d.Firmware, ".")
		if want := strings.Join(strings.Fields(d.Vendor+" "+strings.TrimPrefix(d.Model, "other")+" "+major), " "); d.Family != want {
			t.Errorf("%s: family = %q, want %q", text, d.Family, want)
		}
	}
}

func TestHardwareAddressesAreFound(t *testing.T) {
	for text, want := range map[string]bool{
		"Yealink SIP-T54W 96.86.0.70 805ec0aabbcc": true, "Fanvil X4 0C:38:3E:11:22:33": true,
		"Panasonic_KX-UT136-B/01.061 (0080f0aabbcc)": true, "phone 0c-38-3e-11-22-33": true, "001565123456": true,
		"anonymous": false, "130355501420": false, "805ec0aabbccd": false, "80:5e:c0:aa:bb": false, "805ec0aabb:cc": false,
		"80:5e-c0:aa:bb:cc": false, "1303 5550142": false,
	} {
		if _, got := MAC([]byte(text)); got != want {
			t.Errorf("%s: found = %t, want %t", text, got, want)
		}
	}
	if mac, _ := MAC([]byte("805ec0aabbcc")); mac != [6]byte{0x80, 0x5e, 0xc0, 0xaa, 0xbb, 0xcc} {
		t.Errorf("address = %x", mac)
	}
}

// people are texts that hold a name or a telephone number where a model or a version may stand.
var people = []string{"Yealink SIP-AnyName9", "Yealink SIP-T46S 415.555.0177", "Yealink SIP-T46S 1.415.555.0177",
	"Yealink SIP-T46S 4155550177.1", "Fanvil X4 +1.415 555 0177", "snom370/1.415-555-0177", "snom370/1.415 (555) 0177",
	"Grandstream GXP2170 44.20.7946.0123", "Grandstream HT802 33.1.23.45.67.89", "Cisco-CP7841/01.23.45.67.89",
	"Gigaset N510 IP PRO/41.22.555.01.77", "3CXPhoneSystem 415.555.0177", "AVM FRITZ!Box 7590 415.555.0177",
	"Jitsi1.415.5550177", "Asterisk PBX 555.0177", "kamailio (43.0.1.58801)", "Panasonic_KX-ANNA1234/4.155.550.177",
	"Gigaset ALICE2 1.2", "Polycom/alice 303 5.55.0142", "Yealink SIP-T46S 192.168.17.20"}

func TestPeopleAreNoDevices(t *testing.T) {
	for _, text := range people {
		if d := Read([]byte(text)); d.Firmware != "" {
			t.Errorf("%s: firmware = %q", text, d.Firmware)
		}
	}
	for text, want := range map[string]string{"Yealink SIP-AnyName9": other, "Gigaset ALICE2 1.2": other,
		"Yealink": "", "Yealink SIP-": "", "snom": "", "snom 3705": other, "snom 370": "370"} {
		if got := Read([]byte(text)).Model; got != want {
			t.Errorf("%s: model = %q, want %q", text, got, want)
		}
	}
}

// FuzzDevice states the law that nothing of a text gets into a Device but a version: every word is one of the tables,
// and a version has the shape of FirmwarePattern.
func FuzzDevice(f *testing.F) {
	for text := range agents {
		f.Add([]byte(text))
	}
	for text := range more {
		f.Add([]byte(text))
	}
	for _, text := range people {
		f.Add([]byte(text))
	}
	vendors, models, kinds := Words()
	shape := regexp.MustCompile(FirmwarePattern)
	f.Fuzz(func(t *testing.T, text []byte) {
		d := Read(text)
		if !slices.Contains(vendors, d.Vendor) || !slices.Contains(kinds, d.Kind) ||
			d.Model != "" && !slices.Contains(models, d.Model) {
			t.Errorf("not on the list: %+v", d)
		}
		if d.Firmware != "" && (!shape.MatchString(d.Firmware) || !bytes.Contains(text, []byte(d.Firmware))) {
			t.Errorf("firmware = %q", d.Firmware)
		}
		major, _, _ := strings.Cut(d.Firmware, ".")
		if want := strings.Join(strings.Fields(d.Vendor+" "+strings.TrimPrefix(d.Model, other)+" "+major), " "); d.Family != want {
			t.Errorf("family = %q, want %q", d.Family, want)
		}
	})
}

// FuzzFirmware states the law that IsFirmware is FirmwarePattern, and that no telephone number in its groups has it.
func FuzzFirmware(f *testing.F) {
	for _, text := range []string{"66.85.0.5", "5.9.0.9373", "4.0.14.1580", "10.1.73.16", "415.555.0177", "1.2", "1", "", ".1",
		"1..2", "123456", "1234567", "1.2.3.4.5.6", "1.2.3.4.5.6.7", "29.0.0.50", "51.80.0.100", "2.2.2.22222", "1.2.3.", "12.a"} {
		f.Add(text)
	}
	shape := regexp.MustCompile(FirmwarePattern)
	f.Fuzz(func(t *testing.T, text string) {
		if got, want := IsFirmware(text), shape.MatchString(text); got != want {
			t.Errorf("%q: got = %t, want %t", text, got, want)
		}
	})
}

func TestNoTelephoneNumberIsAFirmware(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 11))
	digits := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = '0' + byte(r.IntN(10))
		}
		return string(b)
	}
	for range 100_000 { // groups of two to four digits behind country code, trunk prefix in parentheses and area code
		var groups []string
		least := 7
		switch nonzero := string('1' + byte(r.IntN(9))); r.IntN(4) {
		case 0:
			groups = []string{"0" + digits(1+r.IntN(4))}
		case 1:
			groups = []string{nonzero + digits(1+r.IntN(2)), "0", nonzero + digits(r.IntN(4))}
			least = 8
		case 2:
			groups = []string{nonzero + digits(1+r.IntN(2)), nonzero + digits(r.IntN(4))}
			least = 8
		case 3:
			groups = []string{"1", nonzero + digits(2)}
			least = 8
		}
		for range 1 + r.IntN(4) {
			groups = append(groups, digits(2+r.IntN(3)))
		}
		number := strings.Join(groups, ".")
		if n := len(number) - len(groups) + 1; n >= least && IsFirmware(number) {
			t.Fatalf("%s is a firmware", number)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	text := []byte("Yealink SIP-T46S 66.85.0.5")
	for b.Loop() {
		Read(text)
	}
}
